import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { libvirtConfiguration } from '#clouds/libvirt/config.ts'
import { createLibvirtCloud } from '#clouds/libvirt/index.ts'
import { forgetRegion, recordRegion, recordedRegion } from '#clouds/libvirt/lease-record.ts'
import { watchPace } from '#clouds/libvirt/watchdog.ts'
import { testContext } from '#test/contract/cloud.ts'

async function place() {
  const directory = await mkdtemp('/var/tmp/factory-record-')
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

function settingsIn(stateDirectory: string) {
  const configuration = libvirtConfiguration.parse({ kind: 'libvirt' })
  const hypervisors = ['hv1', 'hv2'].map((region) => ({ region, uri: region, connection: region }))
  return { name: 'hv', owner: 'test', configuration, hypervisors, stateDirectory, watchPace }
}

test('where a lease is rented is still known after a power cut', async () => {
  await using here = await place()
  const [disk, cut, mounted] = ['disk', 'cut', 'mounted'].map((name) => join(here.directory, name))
  await mkdir(mounted!)
  await execa('truncate', ['-s', '64M', disk!])
  await execa('mkfs.ext4', ['-q', '-F', disk!])
  // Without `auto_da_alloc` a rename writes no content on its own; `commit` is longer than this test runs.
  await execa('mount', ['-o', 'loop,commit=300,noauto_da_alloc', disk!, mounted!])
  try {
    const settings = settingsIn(mounted!)
    await recordRegion(settings, 'a', 'hv1')
    await execa('cp', ['--sparse=always', disk!, cut!])
  } finally {
    await execa('umount', [mounted!])
  }
  await execa('mount', ['-o', 'loop', cut!, mounted!])
  try {
    expect(await recordedRegion(settingsIn(mounted!), 'a')).toBe('hv1')
  } finally {
    await execa('umount', [mounted!])
  }
})

test.each([
  ['is empty', ''],
  ['is nothing but zeros', '\0\0\0'],
  ['names a hypervisor that nobody configured', 'hv9'],
])('a lease whose record %s is not given back while nobody answers', async (_, written) => {
  await using here = await place()
  const uri = ['qemu+ssh://root@127.0.0.1:9/system', 'qemu+ssh://root@127.0.0.1:10/system']
  const configuration = libvirtConfiguration.parse({ kind: 'libvirt', uri })
  const settings = { owner: 'test', stateDirectory: here.directory }
  const { builders } = await createLibvirtCloud('hv', configuration, settings)
  const leases = join(here.directory, 'clouds/hv/leases')
  await mkdir(leases)
  await writeFile(join(leases, 'a'), written)
  const refused = { code: 'libvirt-not-running' }
  await expect(builders!.release('a', testContext())).rejects.toMatchObject(refused)
})

test('a lease that was given back leaves nothing, also when its record was cut off half way', async () => {
  await using here = await place()
  const settings = settingsIn(here.directory)
  await recordRegion(settings, 'a', 'hv1')
  await writeFile(join(here.directory, 'leases/a.part'), 'hv')
  await forgetRegion(settings, 'a')
  expect(await readdir(join(here.directory, 'leases'))).toEqual([])
})
