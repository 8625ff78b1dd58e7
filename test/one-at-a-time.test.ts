import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { oneAtATime } from './one-at-a-time.ts'

const program = new URL('./one-at-a-time.ts', import.meta.url).href

/** A process that has the name until it is killed. */
function holder(name: string) {
  const source = `import { oneAtATime } from ${JSON.stringify(program)}
    await oneAtATime(${JSON.stringify(name)}, () => {}, () => new Promise(() => { console.log('has it'); setInterval(() => {}, 1000) }))`
  return execa(process.execPath, ['--input-type=module', '--eval', source], { reject: false })
}

test('nobody works under a name that another has, and everybody does in the end', async () => {
  const name = randomUUID()
  let working = 0
  const most: number[] = []
  await Promise.all(
    Array.from({ length: 5 }, () =>
      oneAtATime(
        name,
        () => {},
        async () => {
          most.push(++working)
          await new Promise(setImmediate)
          working--
        },
      ),
    ),
  )
  expect(most).toEqual([1, 1, 1, 1, 1])
})

test('the name is free when who had it was killed, and when its work failed', async () => {
  const name = randomUUID()
  const other = holder(name)
  const died = other.then(({ stderr }) => Promise.reject(new Error(`it ended before: ${stderr}`)))
  died.catch(() => {})
  await Promise.race([once(other.stdout, 'data'), died])
  const order: string[] = []
  const told: string[] = []
  const ours = oneAtATime(
    name,
    (line) => told.push(line),
    () => {
      order.push('ours')
      return Promise.reject(new Error('failed'))
    },
  )
  ours.catch(() => {})
  await new Promise(setImmediate)
  order.push('killed')
  other.kill('SIGKILL')
  await expect(ours).rejects.toThrow('failed')
  expect(order).toEqual(['killed', 'ours'])
  expect(told).toEqual([expect.stringContaining(name)])
  expect(
    await oneAtATime(
      name,
      () => {},
      () => Promise.resolve('again'),
    ),
  ).toBe('again')
})
