import { expect, test } from 'vitest'
import { startMatrixDouble } from '#test/servers/matrix-double.ts'
import { hostile, makeScene, notice } from './scene.ts'

async function scenes(changes: Record<string, unknown> = {}) {
  const matrix = await startMatrixDouble()
  const { homeserver, room, token } = matrix
  const told = { kind: 'matrix', homeserver, room, tokenFile: 'token', ...changes } as const
  const scene = await makeScene([told], { token: `${token}\n` })
  return {
    matrix,
    scene,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await matrix[Symbol.asyncDispose]()
    },
  }
}

test('writes into the room as text and as HTML', async () => {
  await using both = await scenes()
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(both.scene.logged).toEqual([])
  expect(both.matrix.events).toEqual([
    {
      msgtype: 'm.text',
      body: 'lab-20261130-040000-abcd failed\n\nx86_64 disks: the disk builder ended with 1 [disk-build-failed]\n\n→ factory logs x86_64\n\nhttps://factory.example.org/?a=1&b=2',
      format: 'org.matrix.custom.html',
      formatted_body:
        '<p><strong>lab-20261130-040000-abcd failed</strong></p><pre><code>x86_64 disks: the disk builder ended with 1 [disk-build-failed]</code></pre><p>→ <code>factory logs x86_64</code></p><p><a href="https://factory.example.org/?a=1&amp;b=2">https://factory.example.org/?a=1&amp;b=2</a></p>',
      'm.mentions': {},
    },
  ])
})

test('is one message in the room, however often its answer is lost, also after a restart', async () => {
  await using both = await scenes()
  const { matrix, scene } = both
  matrix.faults.push('lost', 'lost')
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  const { homeserver, room, token } = matrix
  const told = { kind: 'matrix', homeserver: `${homeserver}/`, room, tokenFile: 'token' } as const
  await using restarted = await makeScene([told], { token })
  restarted.notifier.tell(notice())
  await restarted.notifier.settled()
  expect(matrix.requests).toHaveLength(4)
  expect(matrix.events).toHaveLength(1)
  scene.notifier.tell(notice({ id: 'bbbb' }))
  await scene.notifier.settled()
  expect(matrix.events).toHaveLength(2)
})

test('a hostile name is text and nothing else', async () => {
  await using both = await scenes()
  both.scene.notifier.tell(notice({ title: hostile, text: hostile, hint: hostile }))
  both.scene.notifier.tell(notice({ id: 'b', text: '💥<'.repeat(100_000) }))
  await both.scene.notifier.settled()
  const [first, long] = both.matrix.events
  const ours = /<\/?(p|strong|pre|code)>|<a href="[^"<>]*">|<\/a>/g
  expect(first!.formatted_body.replaceAll(ours, '')).not.toMatch(/[<>]/)
  expect(first!.formatted_body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(first!['m.mentions']).toEqual({})
  expect(long!.formatted_body.isWellFormed()).toBe(true)
  expect(both.scene.logged).toEqual([])
})

test('waits as long as an older homeserver says in its answer', async () => {
  await using both = await scenes()
  const body = JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 45_000 })
  both.matrix.faults.push({ status: 429, body })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(both.scene.pauses).toEqual([45_000])
  expect(both.matrix.events).toHaveLength(1)
})

test('says what to do when the bot is not in the room', async () => {
  await using both = await scenes({ room: '!other:example.org' })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(both.scene.logged[0]).toContain('invite it, and let it join')
  expect(both.matrix.requests).toHaveLength(1)
})

test('says what to do when the token is over, and does not say the token', async () => {
  await using both = await scenes()
  await both.scene.workspace.write('token', 'syt_another_token')
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(both.scene.logged[0]).toContain('M_UNKNOWN_TOKEN')
  expect(both.scene.logged[0]).toContain('write the new one into tokenFile')
  expect(both.scene.logged[0]).not.toContain('syt_')
})

test('sends nothing to what is no http(s) address', async () => {
  await using both = await scenes({ homeserver: 'ftp://127.0.0.1:1' })
  both.scene.notifier.tell(notice())
  await both.scene.notifier.settled()
  expect(both.scene.logged).toHaveLength(1)
  expect(both.scene.pauses).toEqual([])
})
