import { expect, test } from 'vitest'
import type { Rate } from '#src/cost.ts'
import { planText } from '#src/commands/plan-text.ts'
import { plan, type PlanOptions } from '#src/release/plan.ts'
import { configuration, inputs, options } from './planning.ts'

const gibibyte = 1024 ** 3
const usd = (amount: number) => ({ amount, currency: 'USD' })

type Abilities = PlanOptions['clouds'] extends ReadonlyMap<string, infer Value> ? Value : never

/** A cloud whose machines may be rented as these, and whose stored GiB costs that much a month. */
function priced(rates: readonly Rate[], gibMonth?: number): Abilities {
  const { builders, images } = options().clouds.get('lab')!
  const rate = (_region: string, bytes: number): Rate =>
    gibMonth === undefined
      ? { what: 'a snapshot' }
      : { what: 'a snapshot', price: usd((bytes / gibibyte) * gibMonth) }
  return { builders: { ...builders!, rates: () => rates }, images: { ...images!, rate } }
}

const one = { architectures: ['x86_64'], builders: { x86_64: ['lab'] } } as const
const twoTypes = [
  { what: 'small', price: usd(0.3) },
  { what: 'large', price: usd(0.6) },
]

function planned(
  cloud: Abilities,
  change: Partial<PlanOptions> = {},
  builders: Parameters<typeof configuration>[0] = one,
) {
  const clouds = new Map([...options().clouds, ['lab', cloud]])
  return plan(configuration(builders), inputs(), undefined, options({ clouds, ...change }))
}

test('a machine costs at most the longest time at the dearest that it may be rented as', () => {
  const { machines, costs } = planned(priced(twoTypes))
  // 7 h 20 min and 10 min.
  expect(machines.map(({ atMost }) => atMost)).toEqual([[usd(4.4)], [usd(0.1)]])
  expect(costs?.machines).toEqual([usd(4.5)])
})

test('images cost what the newest ones of their architecture hold, and nothing is guessed before there is one', () => {
  const known = planned(priced(twoTypes, 0.05), { contentBytes: () => 3 * gibibyte })
  expect(known.costs).toMatchObject({ storageMonth: [usd(0.15)], notCounted: [] })
  const unknown = planned(priced(twoTypes, 0.05))
  expect(unknown.costs).toMatchObject({
    storageMonth: [],
    notCounted: ['the x86_64 image, whose size is not known before its first build'],
  })
})

test('what may be rented without a price makes the most of a machine unknown, and is named', () => {
  const { machines, costs } = planned(priced([...twoTypes, { what: 'huge' }]))
  const sentence = 'no price for huge in clouds.lab.prices'
  expect(machines[0]).toMatchObject({ atMost: [usd(4.4)], notPriced: [sentence] })
  expect(costs?.notCounted).toContain(sentence)
  expect(costs?.notCounted.filter((each) => each === sentence)).toHaveLength(1)
})

test('a cloud without prices beside one with prices is named and never counted as nothing', () => {
  const both = { ...one, builders: { x86_64: ['spare', 'lab'] } }
  const { machines, costs } = planned(priced(twoTypes), { contentBytes: () => gibibyte }, both)
  expect(machines[0]).toMatchObject({ atMost: [usd(4.4)], notPriced: ['spare has no prices for machines'] })
  expect(costs?.notCounted).toEqual([
    'spare has no prices for machines',
    'no price for a snapshot in clouds.lab.prices',
  ])
})

test('rates are asked for where the machine will be: builders in the main region, boots where the image lies', () => {
  const asked: unknown[] = []
  const cloud = priced(twoTypes)
  planned({
    ...cloud,
    builders: { ...cloud.builders!, rates: (...where) => (asked.push(where) === 0 ? [] : twoTypes) },
  })
  expect(asked).toEqual([
    ['x86_64', undefined],
    ['x86_64', 'host1'],
  ])
})

test('the text of a plan ends with what it costs', () => {
  const text = planText(planned(priced(twoTypes, 0.05), { contentBytes: () => 3 * gibibyte }))
  const lines = text.replaceAll(/ {2,}/g, ' | ').split('\n')
  expect(lines.slice(lines.indexOf('ARCH | FOR | MACHINES | AT MOST') + 1)).toEqual([
    'x86_64 | build | 1 VM from lab, up to 7 h 20 min, and once more if it is lost | 4.40 USD',
    'x86_64 | verify | 1 VM from lab/host1 to boot the image, up to 10 min 00 s, and once more if it is lost | 0.10 USD',
    '',
    'Machines: at most 4.50 USD without their volumes, and once more for each that is lost.',
    'Images: about 0.15 USD a month.',
    '',
  ])
})

test('the text says what is not known, and says nothing of money where no cloud has prices', () => {
  const partly = planText(planned(priced([...twoTypes, { what: 'huge' }])))
  expect(partly).toContain('4.40 USD or not known')
  expect(partly).toContain('Machines: at most 4.50 USD of what has a price, without their volumes')
  expect(partly).toContain('Not counted: no price for huge in clouds.lab.prices.\n')
  const nothing = planText(planned(priced([{ what: 'huge' }])))
  expect(nothing).toMatch(/lost +not known\n/)
  expect(nothing).toContain('Machines: not known.\nImages: not known.\n')

  const free = plan(configuration(one), inputs(), undefined, options())
  expect(free.costs).toBeUndefined()
  expect(planText(free)).not.toMatch(/USD|AT MOST|Machines:|Not counted/)
})
