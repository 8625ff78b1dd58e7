import { expect, test } from 'vitest'
import { byTheHour, dearestOf, forTime, formatPrices, notPriced, sumOf, times } from '#src/cost.ts'

const usd = (amount: number) => ({ amount, currency: 'USD' })
const eur = (amount: number) => ({ amount, currency: 'EUR' })

test('an hour is paid for by the second, and a month by the hour', () => {
  expect(forTime(usd(0.36), 1_000)).toEqual(usd(0.36 / 3600))
  expect(byTheHour(usd(73))).toEqual(usd(0.1))
  expect(times(usd(0.05), 20)).toEqual(usd(1))
})

test('sums are one a currency, and rounded at their end only', () => {
  const third = usd(0.000_000_3)
  expect(sumOf([usd(0.1), eur(1), usd(0.2), third, third])).toEqual([usd(0.300_001), eur(1)])
  expect(sumOf([])).toEqual([])
})

test('the dearest is one a currency', () => {
  expect(dearestOf([usd(0.1), eur(2), usd(0.3), usd(0.2)])).toEqual([usd(0.3), eur(2)])
})

test('people read hundredths, rounded up: what costs anything never looks as if it cost nothing', () => {
  expect(formatPrices([usd(0.000_02), eur(2)])).toBe('0.01 USD and 2.00 EUR')
  expect(formatPrices([usd(1.231)])).toBe('1.24 USD')
  // As floating point has it, 0.07 times a hundred is a little more than seven.
  expect(formatPrices([usd(0.07)])).toBe('0.07 USD')
})

test('what has no price is named, with where its price goes', () => {
  const rates = [{ what: 'm5.large', price: usd(0.1) }, { what: 'c5.large' }, { what: 'c5.large (spot)' }]
  expect(notPriced('aws', rates, 'machines')).toEqual([
    'no price for c5.large, c5.large (spot) in clouds.aws.prices',
  ])
  expect(notPriced('aws', rates.slice(0, 1), 'machines')).toEqual([])
  expect(notPriced('lab', undefined, 'machines')).toEqual(['lab has no prices for machines'])
})
