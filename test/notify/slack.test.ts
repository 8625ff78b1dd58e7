import { expect, test } from 'vitest'
import { startSlackDouble } from '#test/servers/slack-double.ts'
import { hostile, makeScene, notice } from './scene.ts'

const told = [{ kind: 'slack', urlFile: 'url' }] as const

test('writes title, details, hint and page into the channel', async () => {
  await using slack = await startSlackDouble()
  await using scene = await makeScene(told, { url: slack.webhook }, { name: 'copr' })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(slack.channel.map(({ text }) => text)).toEqual([
    [
      '[copr] lab-20261130-040000-abcd failed',
      '```',
      'x86_64 disks: the disk builder ended with 1 [disk-build-failed]',
      '',
      '→ factory logs x86_64',
      '```',
      'https://factory.example.org/?a=1&amp;b=2',
    ].join('\n'),
  ])
  expect(scene.logged).toEqual([])
})

test('calls nobody and links nowhere, whatever a release is called and a builder says', async () => {
  await using slack = await startSlackDouble()
  await using scene = await makeScene(told, { url: slack.webhook })
  scene.notifier.tell(notice({ title: hostile, text: hostile, hint: hostile }))
  scene.notifier.tell(notice({ id: 'b', title: '@here', text: '```\n<!here> @all', facts: {} }))
  await scene.notifier.settled()
  expect(slack.channel).toHaveLength(2)
  for (const { text, called } of slack.channel) {
    expect(called).toEqual([])
    expect(text.match(/```/g)).toHaveLength(2)
    expect(text).not.toMatch(/(?!\n)\p{Cc}|\u202e/u)
    expect(text.isWellFormed()).toBe(true)
  }
})

test('is at least once: an answer that is lost makes a second message', async () => {
  await using slack = await startSlackDouble()
  slack.faults.push('lost', { status: 429, headers: { 'retry-after': '30' }, body: 'rate_limited' })
  await using scene = await makeScene(told, { url: slack.webhook })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(slack.channel).toHaveLength(2)
  expect(scene.pauses[1]).toBe(30_000)
})

test('says what to do about a webhook that is gone, without its address', async () => {
  await using slack = await startSlackDouble()
  await using scene = await makeScene(told, { url: `${slack.webhook}-of-yesterday` })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(scene.logged).toEqual([
    'notify[0] (slack) could not be told: the message was not taken: HTTP 404: no_service. The webhook is gone or was switched off: make a new one and write its address into the file.',
  ])
})

test('does not say the address when nothing answers there', async () => {
  const slack = await startSlackDouble()
  await slack[Symbol.asyncDispose]()
  await using scene = await makeScene(told, { url: slack.webhook })
  scene.notifier.tell(notice())
  await scene.notifier.settled()
  expect(scene.logged).toHaveLength(1)
  expect(scene.logged[0]).toMatch(
    /no connection: connect ECONNREFUSED 127\.0\.0\.1:\d+\. Look at the address/,
  )
  expect(scene.logged[0]).not.toContain('/services/')
})
