import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import type { Effect, InjectedFault } from '#test/servers/aws-front/faults.ts'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import type { AwsWorld } from './aws-world.ts'
import type { Injection } from './points.ts'
import { newWorld, startRun } from './run.ts'

type Ended = Awaited<ReturnType<typeof startRun>>

export interface RunnableWorld extends AwsWorld {
  run(injection?: Injection): Promise<Ended>
  /** Runs until the request has come, and where the effect says so has been done, and kills the orchestrator before it hears of it. */
  killAt(request: string, effect: Effect): Promise<Ended>
}

/** Nothing is pending for as long as one look, so a run takes a second and a half and not five. */
const polls = { snapshot: 0, image: 0, instance: 0, import: 0 }

/**
 * Makes worlds, two at once. An emulator has one account, so there are two, each emptied before its next world: what
 * stands in it in the end is what this world has made, and nothing has to be looked for by its marks.
 */
export function awsWorlds(): <T>(work: (world: RunnableWorld) => Promise<T>) => Promise<T> {
  const accounts = [awsForTests(), awsForTests()]
  const atOnce = pLimit(accounts.length)
  return (work) =>
    atOnce(async () => {
      const account = accounts.pop()!
      try {
        await using front = await account.front({ polls: { ...polls } })
        const directory = newWorld()
        const result = await work(worldAt(front, directory))
        await rm(directory, { recursive: true })
        return result
      } finally {
        accounts.push(account)
      }
    })
}

function worldAt(front: AwsFront, directory: string): RunnableWorld {
  const aws = { endpoint: front.endpoint, owner: `t-${randomBytes(4).toString('hex')}` }
  const run = (injection?: Injection) =>
    startRun(directory, {
      architectures: ['x86_64'],
      aws,
      ...(injection === undefined ? {} : { injection }),
    })
  return {
    directory,
    front,
    run,
    async killAt(request, effect) {
      const hanging = strikeAt(front, request, effect)
      const running = run()
      await Promise.race([hanging.happened, running])
      running.kill('SIGKILL')
      const killed = await running
      hanging.remove()
      return killed
    },
  }
}

/** Lets something happen to the request of that name once, counted from now on. */
export function strikeAt(front: AwsFront, request: string, effect: Effect): InjectedFault {
  const [, action = '', region = '', number = ''] = /^(\w+) (\S+) #(\d+)$/.exec(request) ?? []
  return front.inject({ action, region, after: Number(number) - 1, times: 1, effect })
}
