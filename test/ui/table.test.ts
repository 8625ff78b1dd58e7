import { expect, test } from 'vitest'
import { summaryTable } from '#src/ui/summary.ts'
import { table } from '#src/ui/table.ts'

test('columns stand under each other, without trailing blanks', () => {
  const text = table(
    ['ARCH', 'STATE', ''],
    [
      ['x86_64', 'done', 'ü'],
      ['s390x', 'not complete', ''],
    ],
  )
  expect(text).toBe('ARCH    STATE\nx86_64  done          ü\ns390x   not complete\n')
})

test('a table without rows is its head, and a short row has empty cells', () => {
  expect(table(['A', 'B'], [])).toBe('A  B\n')
  expect(table(['A', 'B'], [['1']])).toBe('A  B\n1\n')
})

test('a cell stays in its line and commands no terminal', () => {
  expect(table(['A', 'B'], [['a\nb\u001b[2J\u0007\u202e', 'c']])).toBe('A    B\na b  c\n')
})

test('the summary has a row for each image, and one for what did not come to be', () => {
  const text = summaryTable([
    {
      arch: 'x86_64',
      name: 'copr-builder-20261121.0-x86_64',
      where: 'lab/qemu:///system',
      sizeBytes: 10 * 1024 ** 3,
      sha256: 'ab'.repeat(32),
      boot: 'passed',
      durationMs: 200_000,
    },
    { arch: 's390x', boot: 'container failed' },
  ])
  expect(text.split('\n')).toEqual([
    'ARCHITECTURE  IMAGE                           WHERE               SIZE    SHA256        BOOT              TIME',
    'x86_64        copr-builder-20261121.0-x86_64  lab/qemu:///system  10 GiB  abababababab  passed            3 min 20 s',
    's390x         -                               -                   -       -             container failed  -',
    '',
  ])
})
