import { expect, test } from 'vitest'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { machineRate, machineRates, snapshotRate, volumeRate } from '#clouds/aws/rates.ts'

const gibibyte = 1024 ** 3
const usd = (amount: number) => ({ amount, currency: 'USD' })

function configured(change: object = {}) {
  return awsConfiguration.parse({
    kind: 'aws',
    region: 'us-east-1',
    subnets: ['subnet-0000000a', 'subnet-0000000b'],
    instanceTypes: { x86_64: ['m5.large', 'c5.large'] },
    prices: {
      machineHour: { 'm5.large': 0.096, 'c5.large': 0.085 },
      spotHour: { 'm5.large': 0.05 },
      volumeGibMonth: 0.073,
      snapshotGibMonth: 0.05,
    },
    ...change,
  })
}

test('a machine may be rented as each of the types that are asked for, once however many subnets there are', () => {
  expect(machineRates(configured(), 'x86_64')).toEqual([
    { what: 'm5.large', price: usd(0.096) },
    { what: 'c5.large', price: usd(0.085) },
  ])
})

test('spot has prices of its own: the one on demand is never taken for it', () => {
  expect(machineRates(configured({ spot: 'first' }), 'x86_64')).toEqual([
    { what: 'm5.large (spot)', price: usd(0.05) },
    { what: 'c5.large (spot)' },
    { what: 'm5.large', price: usd(0.096) },
    { what: 'c5.large', price: usd(0.085) },
  ])
  expect(machineRate(configured(), { instanceType: 'c5.large', spot: true })).toEqual({
    what: 'c5.large (spot)',
  })
})

test('without instance types in the configuration all the usual ones are named', () => {
  const names = machineRates(configured({ instanceTypes: {} }), 'aarch64').map(({ what }) => what)
  expect(names).toContain('m7g.xlarge')
  expect(names.length).toBeGreaterThan(1)
})

test('a volume is paid for by the hour, an image by the month, each by its size', () => {
  expect(volumeRate(configured(), 100)).toEqual({ what: 'a volume of 100 GiB', price: usd(0.01) })
  expect(volumeRate(configured(), undefined)).toEqual({ what: 'a volume of unknown size' })
  expect(snapshotRate(configured(), 2.5 * gibibyte)).toEqual({
    what: 'a snapshot of 2.5 GiB',
    price: usd(0.125),
  })
})

test('no price is built in', () => {
  const bare = configured({ prices: undefined })
  expect(machineRates(bare, 'x86_64')).toEqual([{ what: 'm5.large' }, { what: 'c5.large' }])
  expect(volumeRate(bare, 100)).toEqual({ what: 'a volume of 100 GiB' })
  expect(snapshotRate(bare, gibibyte)).toEqual({ what: 'a snapshot of 1 GiB' })
})

test('prices are in the currency of their table', () => {
  const yuan = configured({ prices: { currency: 'CNY', machineHour: { 'm5.large': 0.6 } } })
  expect(machineRates(yuan, 'x86_64')[0]?.price).toEqual({ amount: 0.6, currency: 'CNY' })
})
