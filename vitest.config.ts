import { defineConfig } from 'vitest/config'

/** Lab tests share two cores and the libvirt daemon, so they run one file at a time, after everything else. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/lab/**', 'test/e2e/**', 'test/chaos/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/chaos/**/*.test.ts', 'test/lab/**/*.test.ts', 'test/e2e/**/*.test.ts'],
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
