import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'
import { scratchPlace } from './test/scratch.ts'

/** Most tests wait for answers and timers most of the time: this many keep two cores busy. */
const maxWorkers = 6

/** Lab tests share two cores and the libvirt daemon, so they run one file at a time, after all others. */
export default defineConfig({
  test: {
    reporters: ['default', scratchPlace()],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/lab/**', 'test/e2e/**', 'test/chaos/**'],
          maxWorkers,
          testTimeout: 60_000,
          // On a fresh machine the first hooks make the trees of the emulators, and all others wait for them.
          hookTimeout: 1_200_000,
        },
      },
      {
        test: {
          name: 'chaos',
          globalSetup: ['test/chaos/compile.ts'],
          include: ['test/chaos/**/*.test.ts'],
          exclude: ['test/chaos/lab-*.test.ts'],
          maxWorkers,
          testTimeout: 3_600_000,
          hookTimeout: 1_200_000,
        },
      },
      {
        test: {
          name: 'lab',
          globalSetup: ['test/lab/make-early.ts'],
          include: [
            'test/lab/**/*.test.ts',
            'test/e2e/**/*.test.ts',
            ...(process.env['TEST_CLOUDS'] === undefined ? ['!test/e2e/clouds.test.ts'] : []),
            ...(process.env['TEST_SERVE'] === undefined ? ['!test/e2e/serve.test.ts'] : []),
            ...(process.env['CHAOS_LAB_KILLS'] === undefined ? [] : ['test/chaos/lab-*.test.ts']),
          ],
          testTimeout: 1_200_000,
          hookTimeout: 1_800_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
