import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FactoryEvent } from '#src/events.ts'
import { viewRelease } from '#src/release/view.ts'
import { newWorld, startRun } from './run.ts'
import { untilStopped } from './stopped.ts'

const point = 'append step-started x86_64 prepare #1'

test('a second process sees a whole release that a real engine makes, to its end', async () => {
  const world = newWorld()
  const engine = startRun(world, { injection: { point, when: 'after', what: 'stop' } })
  await untilStopped(engine.pid!)
  const events: FactoryEvent[] = []
  const started = Promise.withResolvers<void>()
  const listener = (event: FactoryEvent) => {
    events.push(event)
    if (event.type === 'step-started' && event.step === 'prepare') started.resolve()
  }
  const watching = viewRelease(join(world, 'state'), listener, new AbortController().signal)
  await started.promise
  engine.kill('SIGCONT')
  expect(await watching).toMatchObject({ outcome: 'done' })
  expect((await engine).exitCode).toBe(0)

  const finished = events.flatMap((event) =>
    event.type === 'step-finished' ? [`${event.arch} ${event.step}`] : [],
  )
  for (const arch of ['x86_64', 's390x']) {
    for (const step of ['lease', 'container', 'push', 'disks', 'collect', 'publish', 'verify']) {
      expect(finished).toContain(`${arch} ${step}`)
    }
  }
  expect(events.filter(({ type }) => type === 'release-started')).toHaveLength(1)
  expect(events.at(-1)).toMatchObject({ type: 'release-finished', outcome: 'done' })
})
