import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BaseDisk } from './base-disk.ts'
import type { Report } from './cache.ts'
import { ensureLibvirt, virsh } from './libvirt.ts'

/** The pools of test/lab/factory.yaml: one with the base disks and the builders, one that images are published to. */
export const labPools = { builders: 'factory-lab', images: 'images' } as const

/**
 * Brings libvirt and its pools up and puts the base disks in, under names that do not change: `builder-s390x.qcow2`,
 * `.kernel`, `.initrd`. An empty volume with the digest in its name, made last, says which base disk it is; another one
 * is replaced (a builder that still runs keeps the files it has open). A second call takes a fraction of a second.
 */
export async function ensureLabPools(disks: readonly BaseDisk[], report: Report): Promise<void> {
  await ensureLibvirt(report)
  for (const pool of Object.values(labPools)) await ensurePool(pool, report)
  const volumes = await volumeNames()
  for (const disk of disks) {
    if (!partsOf(disk).every((name) => volumes.has(name))) await replaceBaseDisk(disk, volumes, report)
  }
}

async function ensurePool(pool: string, report: Report): Promise<void> {
  const { stdout } = await virsh(['pool-list', '--all', '--name'])
  const known = stdout.split('\n').map((name) => name.trim())
  if (!known.includes(pool)) {
    report(`libvirt: making the pool ${pool}`)
    await virsh(['pool-define-as', pool, 'dir', '--target', `/var/lib/libvirt/${pool}`])
    await virsh(['pool-build', pool])
    await virsh(['pool-autostart', pool])
  }
  const active = await virsh(['pool-list', '--name'])
  if (!active.stdout.split('\n').some((name) => name.trim() === pool)) await virsh(['pool-start', pool])
}

async function volumeNames(): Promise<Set<string>> {
  await virsh(['pool-refresh', labPools.builders])
  const { stdout } = await virsh(['vol-list', labPools.builders])
  const rows = stdout.split('\n')
  return new Set(rows.map((row) => row.trim().split(/\s+/)[0] ?? '').filter((name) => name !== ''))
}

async function replaceBaseDisk(disk: BaseDisk, volumes: ReadonlySet<string>, report: Report): Promise<void> {
  report(`libvirt: putting the base disk for ${disk.arch} into the pool ${labPools.builders}`)
  const before = [...volumes].filter((name) => name.startsWith(`builder-${disk.arch}.`))
  // Markers go first: without one, whatever else is left of a base disk does not count.
  const order = before.toSorted((one, other) => Number(other.includes('.is-')) - Number(one.includes('.is-')))
  for (const name of order) await virsh(['vol-delete', name, '--pool', labPools.builders])

  await upload(`builder-${disk.arch}.kernel`, 'raw', disk.kernel)
  await upload(`builder-${disk.arch}.initrd`, 'raw', disk.initrd)
  await upload(`builder-${disk.arch}.qcow2`, 'qcow2', disk.disk)
  await create(marker(disk), 'raw', 0)
}

function partsOf(disk: BaseDisk): string[] {
  const names = ['kernel', 'initrd', 'qcow2'].map((part) => `builder-${disk.arch}.${part}`)
  return [...names, marker(disk)]
}

function marker(disk: BaseDisk): string {
  return `builder-${disk.arch}.is-${disk.digest}`
}

async function upload(name: string, format: 'raw' | 'qcow2', file: string): Promise<void> {
  await create(name, format, (await stat(file)).size)
  await virsh(['vol-upload', name, file, '--pool', labPools.builders, '--sparse'])
}

/** Readable by everybody, because QEMU runs as a user of its own and finds the files shared between its guests. */
async function create(name: string, format: 'raw' | 'qcow2', capacityBytes: number): Promise<void> {
  const xml = `<volume>
  <name>${name}</name>
  <capacity unit="B">${capacityBytes}</capacity>
  <allocation>0</allocation>
  <target><format type="${format}"/><permissions><mode>0644</mode></permissions></target>
</volume>`
  const directory = await mkdtemp(join(tmpdir(), 'factory-lab-'))
  try {
    const definition = join(directory, 'volume.xml')
    await writeFile(definition, xml)
    await virsh(['vol-create', labPools.builders, definition])
  } finally {
    await rm(directory, { recursive: true })
  }
}
