import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { diskBudget } from '#src/builder/budget.ts'
import { prepareStorage } from '#src/builder/storage.ts'
import type { Builder } from '#src/builder/types.ts'
import { testContext } from './test-context.ts'

const MiB = 1024 ** 2
const small = diskBudget({ contextBytes: 0, baseBytes: 1 * MiB, toolBytes: 1 * MiB, formats: ['raw'] })
const large = diskBudget({
  contextBytes: 0,
  baseBytes: 900 * MiB,
  toolBytes: 300 * MiB,
  formats: ['raw', 'qcow2'],
})

interface Machine extends AsyncDisposable {
  builder: Builder
  run(script: string): Promise<string>
}

/** This machine with mounts of its own: a root that looks like a builder's, and a data disk when `diskBytes` says so. */
async function machine(diskBytes: number, serial = 'factory-data'): Promise<Machine> {
  const directory = await mkdtemp('/var/tmp/storage-')
  const holder = spawn(
    'unshare',
    ['-m', '--propagation', 'private', 'sh', '-c', 'echo here; exec sleep 600'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await once(holder.stdout, 'data')
  const enter = ['-t', String(holder.pid), '-m', '--']
  const run = async (script: string) => (await execa('nsenter', [...enter, 'bash', '-euc', script])).stdout
  let loop = ''
  if (diskBytes > 0) {
    const image = join(directory, 'data.raw')
    await execa('truncate', ['-s', String(diskBytes), image])
    loop = (await execa('losetup', ['--find', '--show', image])).stdout.trim()
  }
  await run(`
    for place in /run /tmp /var/lib /var/tmp; do mount -t tmpfs -o size=700m tmpfs $place; done
    mkdir -p /var/lib/containers
    echo old >/var/lib/containers/was-here
    mount -t tmpfs tmpfs /sys/block
    mkdir -p /sys/block/other /sys/block/${loop.slice(5) || 'none'}
    echo something-else >/sys/block/other/serial
    ${loop ? `echo ${serial} >/sys/block/${loop.slice(5)}/serial` : ''}`)
  const exec: Builder['exec'] = async (argv) => {
    const result = await execa('nsenter', [...enter, ...argv], { reject: false })
    if (result.exitCode !== 0) throw new Error(result.stderr)
    return { stdout: `${result.stdout}\n`, stderr: result.stderr, exitCode: 0 }
  }
  return {
    builder: { ref: { machine: 'loopback', arch: 'x86_64' }, exec } as unknown as Builder,
    run,
    async [Symbol.asyncDispose]() {
      const ended = once(holder, 'exit')
      holder.kill('SIGKILL')
      await ended
      if (loop) await execa('losetup', ['-d', loop])
      await rm(directory, { recursive: true })
    },
  }
}

describe('storage of a builder', () => {
  test('lies on the data disk, with what was in container storage before', async () => {
    await using there = await machine(3000 * MiB)
    const ctx = testContext()
    const { freeBytes } = await prepareStorage(there.builder, small, ctx)
    expect(freeBytes).toBeGreaterThan(2500 * MiB)
    const devices = await there.run(
      'stat -c %d /var/lib/factory /var/lib/factory/output /var/lib/containers /var/tmp',
    )
    expect(new Set(devices.split('\n')).size).toBe(1)
    expect(await there.run('cat /var/lib/containers/was-here; stat -c %a /var/tmp')).toBe('old\n1777')
    expect(ctx.lines.join('\n')).toContain('made a file system on /dev/loop')
  })

  test('lies on the disk whose serial the cloud made up', async () => {
    await using there = await machine(3000 * MiB, '0735-a1b2c3d4-e5f6-4a')
    const ctx = testContext()
    const builder = { ...there.builder, ref: { ...there.builder.ref, dataDisk: '0735-a1b2c3d4-e5f6-4a' } }
    await prepareStorage(builder, small, ctx)
    expect(ctx.lines.join('\n')).toContain('made a file system on /dev/loop')
  })

  test('is prepared again without losing anything and without a second budget check', async () => {
    await using there = await machine(3000 * MiB)
    await prepareStorage(there.builder, small, testContext())
    await there.run(
      'echo kept >/var/lib/factory/output/disk.raw; fallocate -l 2500M /var/lib/containers/layers',
    )
    const mounts = await there.run('grep -c " /var/" /proc/mounts')
    const ctx = testContext()
    await prepareStorage(there.builder, large, ctx)
    expect(await there.run('cat /var/lib/factory/output/disk.raw')).toBe('kept')
    expect(await there.run('grep -c " /var/" /proc/mounts')).toBe(mounts)
    expect(ctx.lines.join('\n')).not.toContain('file system')
  })

  test('stays on the root file system where there is no data disk, and /run and /tmp grow', async () => {
    await using there = await machine(0)
    const ctx = testContext()
    await prepareStorage(there.builder, small, ctx)
    expect(ctx.lines.join('\n')).toContain('no data disk')
    const sizes = await there.run('df -B1 --output=size /run /tmp | tail -n 2')
    expect(sizes.split('\n').map(Number)).toEqual([3 * 1024 * MiB, 8 * 1024 * MiB])
  })

  test('that is too small is refused before anything is built, with the number of every part', async () => {
    await using there = await machine(3000 * MiB)
    await expect(prepareStorage(there.builder, large, testContext())).rejects.toMatchObject({
      code: 'disk-budget',
      class: 'disk-full',
      message: expect.stringMatching(
        /loopback .* free, .* are needed: .*container image .* 1\.8 GiB.*raw disk .* 3\.5 GiB/,
      ),
    })
    await expect(prepareStorage(there.builder, large, testContext())).rejects.toMatchObject({
      code: 'disk-budget',
    })
  })
})
