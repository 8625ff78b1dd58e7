import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { engineParts } from '#src/commands/engine-parts.ts'
import { serveCommand } from '#src/commands/serve.ts'
import { scriptedCloud } from './scripted-cloud.ts'

/*
 * The process that is measured: `factory serve` with everything as it is but for the cloud. Arguments: the port of the
 * scripted cloud and the configurations. Ends when its parent is gone.
 */

/** What the process has used since it was told to begin, but for the memory: that is the most since its start. */
export interface Measured {
  peakBytes: number
  /** Milliseconds by which the event loop was late. */
  delay: { p50: number; p99: number; most: number }
  cpuSeconds: number
  /** Of the programs that it started and that have ended: ssh, tar and the like. */
  childrenSeconds: number
}

/** Milliseconds between two looks, which the histogram counts as a part of the delay. */
const resolution = 10
const [, , port = '', ...configs] = process.argv
const delay = monitorEventLoopDelay({ resolution })
delay.enable()
let usedBefore = process.cpuUsage()
let childrenBefore = childrenSeconds()

process.on('message', (asked) => {
  if (asked === 'measure') process.send?.(measure())
  delay.reset()
  usedBefore = process.cpuUsage()
  childrenBefore = childrenSeconds()
})
process.on('disconnect', () => process.exit(1))

function measure(): Measured {
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
  const { user, system } = process.cpuUsage(usedBefore)
  return {
    peakBytes: process.resourceUsage().maxRSS * 1024,
    delay: { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), most: late(delay.max) },
    cpuSeconds: (user + system) / 1e6,
    childrenSeconds: childrenSeconds() - childrenBefore,
  }
}

/** The fields 16 and 17 of proc_pid_stat(5), in hundredths of a second. */
function childrenSeconds(): number {
  const [, rest = ''] = readFileSync('/proc/self/stat', 'latin1').split(') ')
  const [user = 0, system = 0] = rest.split(' ').slice(13, 15).map(Number)
  return (user + system) / 100
}

await serveCommand({
  configs,
  parts: {
    engineParts,
    openClouds: async ({ clouds, owner }) =>
      new Map(Object.keys(clouds).map((name) => [name, scriptedCloud(name, owner, Number(port))])),
  },
})
