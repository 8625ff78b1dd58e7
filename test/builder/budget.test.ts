import { describe, expect, test } from 'vitest'
import { diskBudget, explainBudget } from '#src/builder/budget.ts'

const GiB = 1024 ** 3
const request = {
  contextBytes: 1 * GiB,
  baseBytes: 2 * GiB,
  toolBytes: 1 * GiB,
  formats: ['raw', 'qcow2'] as const,
}

const bytesOf = (budget: ReturnType<typeof diskBudget>, what: string) =>
  budget.parts.filter((part) => part.what.startsWith(what)).reduce((sum, part) => sum + part.bytes, 0)

describe('the disk budget of a build', () => {
  test('counts the base twice, the context twice, the tool once and each disk twice', () => {
    const budget = diskBudget(request)
    expect(bytesOf(budget, 'build context')).toBe(1 * GiB)
    expect(bytesOf(budget, 'container image')).toBe(5 * GiB)
    expect(bytesOf(budget, "disk builder's image")).toBe(1 * GiB)
    expect(bytesOf(budget, 'raw')).toBe(10 * GiB)
    expect(bytesOf(budget, 'qcow2')).toBe(10 * GiB)
  })

  test('is larger than its parts together, because a file system takes its share', () => {
    const budget = diskBudget(request)
    const sum = budget.parts.reduce((total, part) => total + part.bytes, 0)
    expect(budget.totalBytes).toBeGreaterThan(sum * 1.05)
    expect(budget.totalBytes % (1024 * 1024)).toBe(0)
  })

  test('takes the expected size of a disk where it is known, and grows with every format', () => {
    const one = diskBudget({ ...request, formats: ['raw'], diskBytes: 3 * GiB })
    expect(bytesOf(one, 'raw')).toBe(6 * GiB)
    expect(diskBudget({ ...request, diskBytes: 3 * GiB }).totalBytes).toBeGreaterThan(one.totalBytes)
  })

  test('is explained with the number of each part', () => {
    expect(explainBudget(diskBudget(request).parts)).toMatch(
      /build context 1 GiB, container image .* 5 GiB, .*qcow2 disk .* 10 GiB/,
    )
  })
})
