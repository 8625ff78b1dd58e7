import { chmod } from 'node:fs/promises'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { needPrograms } from '#src/builder/programs.ts'
import type { Builder } from '#src/builder/types.ts'
import { makeWorkspace } from '#test/config/workspace.ts'

test('a builder without zstd is told before anything is built, with what to install', async () => {
  await using there = await makeWorkspace({ tar: '#!/bin/sh\n' })
  await chmod(`${there.directory}/tar`, 0o755)
  const exec: Builder['exec'] = async ([program, ...argv]) => {
    const { stdout } = await execa(`/bin/${program}`, argv, {
      env: { PATH: there.directory },
      extendEnv: false,
    })
    return { stdout, stderr: '', exitCode: 0 }
  }
  const builder = { ref: { machine: 'm1', arch: 's390x' }, exec } as unknown as Builder
  await expect(needPrograms(builder)).rejects.toMatchObject({
    code: 'builder-program-missing',
    class: 'user',
    message: 'the s390x builder m1 has no zstd',
    hint: expect.stringContaining('Install zstd in the base image') as string,
  })
  await there.write('zstd', '#!/bin/sh\n')
  await chmod(`${there.directory}/zstd`, 0o755)
  await needPrograms(builder)
})
