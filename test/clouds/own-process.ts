import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import type { LibvirtConfiguration } from '#clouds/libvirt/config.ts'
import type { WatchPace } from '#clouds/libvirt/watchdog.ts'

/** One call of a cloud in a process of its own, so that it can be killed or put to sleep at any instruction. */
export interface OwnProcess {
  readonly pid: number
  hasEnded(): boolean
  /** Kills it together with whatever it runs in its own process group; throws when it had ended before. */
  kill(): Promise<void>
  /** What the call returned; throws what it printed when it failed. */
  result(): Promise<unknown>
}

export interface OwnSettings {
  configuration: LibvirtConfiguration
  owner: string
  stateDirectory: string
  watchPace: WatchPace
}

const program = `
import { createLibvirtCloud } from '#clouds/libvirt/index.ts'
import { openHypervisor } from '#clouds/libvirt/hypervisor.ts'
import { openPool } from '#clouds/libvirt/pools.ts'
import { tryGuest } from '#clouds/libvirt/probe.ts'
const [{ configuration, ...settings }, call, ...words] = JSON.parse(process.argv[1])
const cloud = await createLibvirtCloud('test', configuration, settings)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const ctx = { signal: AbortSignal.timeout(60000), emit() {}, log() {}, now: Date.now, sleep }
const calls = {
  publish: (artifact, key) => cloud.images.publish(artifact, key, ctx),
  acquire: (spec, lease) => cloud.builders.acquire(spec, lease, ctx),
  tryGuest: async (marks) => {
    const hypervisor = await openHypervisor(configuration.uri, settings.stateDirectory)
    return await tryGuest(await openPool(hypervisor, configuration.pool, ctx), 'qemu', marks, 60000, ctx)
  },
}
console.log(JSON.stringify(await calls[call](...words)))
`

export function callInOwnProcess(
  settings: OwnSettings,
  call: 'publish' | 'acquire' | 'tryGuest',
  ...words: unknown[]
): OwnProcess {
  const argv = ['--input-type=module', '--eval', program, JSON.stringify([settings, call, ...words])]
  const cwd = new URL('../..', import.meta.url).pathname
  const child = spawn(process.execPath, argv, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const said = text(child.stdout)
  const complained = text(child.stderr)
  const { pid } = child
  if (pid === undefined) throw new Error('the process did not start')
  return {
    pid,
    hasEnded: () => child.exitCode !== null,
    async kill() {
      process.kill(-pid, 'SIGKILL')
      await ended
      if (child.exitCode !== null) throw new Error('the kill came too late')
    },
    async result() {
      await ended
      if (child.exitCode !== 0) throw new Error(await complained)
      return JSON.parse(await said)
    },
  }
}
