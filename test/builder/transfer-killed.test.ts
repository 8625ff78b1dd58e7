import { randomBytes } from 'node:crypto'
import { readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { OursTask } from '#test/bench/transfer-ours.ts'
import { descendants, eventually, startSshServer } from '#test/servers/sshd.ts'
import { startTcpProxy } from '#test/servers/tcp-proxy.ts'
import { MiB } from './bring.ts'
import { behind } from './test-context.ts'

const program = new URL('../bench/transfer-ours.ts', import.meta.url).pathname

test('a killed factory takes the ssh with it that writes into our file and would go on filling our disk', async () => {
  await using server = await startSshServer()
  await using proxy = await startTcpProxy(server.ref.address.port)
  // The whole file would take a minute.
  proxy.bytesPerSecond = MiB
  const source = join(server.directory, 'disk.raw')
  const destination = join(server.directory, 'arrived')
  await writeFile(source, randomBytes(64 * MiB))
  const { privateKeyFile } = server.access
  const task: OursTask = { ref: behind(proxy, server.ref), privateKeyFile, source, destination }
  const factory = execa(process.execPath, [program], { input: JSON.stringify(task), reject: false })
  await eventually('the first bytes', async () => {
    const { size } = await stat(`${destination}.partial`).catch(() => ({ size: 0 }))
    return size > MiB
  })
  const [ssh = 0] = await descendants(factory.pid ?? 0, 'ssh')
  expect(await readlink(`/proc/${ssh}/exe`)).toMatch(/ssh$/)

  factory.kill('SIGKILL')
  await factory
  // What is dead has no program any more, also when nobody has collected it yet.
  const running = () => readlink(`/proc/${ssh}/exe`).catch(() => 'none')
  await eventually('the end of ssh', async () => (await running()) === 'none', 5_000)
})
