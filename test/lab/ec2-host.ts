import type { ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EBSClient } from '@aws-sdk/client-ebs'
import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { execa } from 'execa'
import { parse } from 'yaml'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import type { StartedMachine } from '#test/servers/aws-front/hypervisor.ts'
import { clientConfig } from '#test/servers/aws-test.ts'
import { freePort } from '#test/servers/free-port.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { builderBaseDisk } from './base-disk.ts'
import { type Ec2Architecture, type MachineDisk, endQemu, startQemu, writeSeed } from './ec2-machine.ts'
import { labConfiguration } from './lab.ts'

/** Stands where EC2's own machines stand: runs what the emulator only keeps on paper. */
export interface Ec2Host extends AsyncDisposable {
  /** For FACTORY_TEST_AWS_ADDRESSES: where SSH of each machine answers. */
  readonly addressesFile: string
  /** Ids of all AMIs that machines were booted from by their own firmware, in order. */
  readonly bootedAmis: readonly string[]
  /** Ids of the machines that run. */
  running(): string[]
}

/**
 * Runs every machine of the front as a VM of the lab, with the very user-data that was sent: builders from the lab's
 * base disks, anything else from the bytes that its AMI's snapshot holds, read back through the API. A machine that powers
 * itself off ends for EC2 too.
 */
export async function startEc2Host(front: AwsFront): Promise<Ec2Host> {
  const directory = await mkdtemp(join(tmpdir(), 'ec2-'))
  const addressesFile = join(directory, 'addresses.json')
  const addresses: Record<string, string> = {}
  const machines = new Map<string, ChildProcess>()
  const bootedAmis: string[] = []
  const failures: unknown[] = []

  async function boot(machine: StartedMachine, port: number): Promise<void> {
    const place = join(directory, machine.id)
    await mkdir(place)
    const seed = await writeSeed(place, machine.id, machine.userData)
    const disk = (await baseDisk(machine, place)) ?? (await amiDisk(front, machine, place))
    if (addresses[machine.id] === undefined) return
    if (!disk.directBoot) bootedAmis.push(machine.imageId)
    const process = startQemu(machine.architecture as Ec2Architecture, disk, seed, port, place)
    machines.set(machine.id, process)
    process.once('exit', () => {
      machines.delete(machine.id)
      if (addresses[machine.id] !== undefined) void front.powerOff(machine.id)
    })
  }

  front.settings.hypervisor = {
    async start(machine) {
      const port = await freePort()
      addresses[machine.id] = `127.0.0.1:${port}`
      await writeAddresses(addressesFile, addresses)
      boot(machine, port).catch((error: unknown) => {
        // What was ended while its disk was being made lacks the place for it.
        if (addresses[machine.id] === undefined) return
        failures.push(error)
        void front.powerOff(machine.id)
      })
    },
    async end(id) {
      delete addresses[id]
      const process = machines.get(id)
      if (process) await endQemu(process)
      await rm(join(directory, id), { recursive: true, force: true })
    },
  }
  return {
    addressesFile,
    bootedAmis,
    running: () => [...machines.keys()],
    async [Symbol.asyncDispose]() {
      // Those whose disks are still being made as well: they must not start any more.
      for (const id of Object.keys(addresses)) delete addresses[id]
      await Promise.all([...machines.values()].map(endQemu))
      await rm(directory, { recursive: true, force: true })
      if (failures.length > 0) throw new AggregateError(failures, 'machines of the lab did not start')
    },
  }
}

/** Whoever reads it sees all of the old or all of the new one. */
async function writeAddresses(file: string, addresses: object): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(addresses))
  await rename(`${file}.new`, file)
}

/** A disk over the lab's base disk, when the image is the one that builders start from. */
async function baseDisk(machine: StartedMachine, place: string): Promise<MachineDisk | undefined> {
  const arch = (['x86_64', 'aarch64'] as const).find((name) => baseImages[name].id === machine.imageId)
  if (arch === undefined) return undefined
  const base = await builderBaseDisk(arch, () => {})
  const path = join(place, 'disk.qcow2')
  const over = ['create', '-q', '-f', 'qcow2', '-b', base.disk, '-F', 'qcow2']
  await execa('qemu-img', [...over, path, String(machine.rootBytes)], { timeout: 30_000 })
  const file = parse(await readFile(labConfiguration, 'utf8')) as {
    clouds: { lab: { base: Record<string, { kernelArguments: string }> } }
  }
  const words = file.clouds.lab.base[arch]?.kernelArguments ?? ''
  return {
    path,
    format: 'qcow2',
    directBoot: { kernel: base.kernel, initrd: base.initrd, arguments: words },
  }
}

async function amiDisk(front: AwsFront, machine: StartedMachine, place: string): Promise<MachineDisk> {
  const { imageId, region, rootBytes } = machine
  const config = clientConfig(front, region)
  const { Images = [] } = await new EC2Client(config).send(new DescribeImagesCommand({ ImageIds: [imageId] }))
  const snapshot = Images[0]?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId
  if (snapshot === undefined) throw new Error(`${imageId} in ${region} has no snapshot`)
  const path = join(place, 'disk.raw')
  await writeSnapshot(new EBSClient(config), snapshot, path)
  await truncate(path, rootBytes)
  return { path, format: 'raw' }
}
