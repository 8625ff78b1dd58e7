import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { stringify } from 'yaml'
import { expect, test } from 'vitest'
import { ibmForTests } from '#test/clouds/ibm-tests.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { writeSmallDisk } from './small-disk.ts'

const ibm = ibmForTests()

async function writtenConfiguration(): Promise<string> {
  const { prices: _, ...cloud } = ibm.ibm.configuration()
  const file = join(ibm.ibm.directory, 'factory.yaml')
  const image = { name: 'probe', ref: `quay.io/example/probe@sha256:${'a'.repeat(64)}` }
  const written = {
    image,
    disk: { builder: 'quay.io/example/bib:latest' },
    clouds: { z: cloud },
    builders: { x86_64: ['z'] },
    publish: [{ to: 'z', arch: ['x86_64'], format: 'qcow2' }],
  }
  await writeFile(file, stringify(JSON.parse(JSON.stringify(written))))
  return file
}

function start(file: string) {
  const program = new URL('ibm.ts', import.meta.url).pathname
  return execa(process.execPath, [program, '-c', file], { reject: false, all: true })
}

async function probe(): Promise<{ exitCode: number | undefined; all: string | undefined }> {
  const { exitCode, all } = await start(await writtenConfiguration())
  return { exitCode, all }
}

async function expectNothingLeft(): Promise<void> {
  const own = [...ibm.ibm.double.world.images.values()].filter(({ visibility }) => visibility === 'private')
  expect(own).toEqual([])
  expect(await ibm.ibm.inBucket()).toEqual([])
}

test('the probe goes round, says what it does, and leaves nothing', async () => {
  const { exitCode, all } = await probe()
  expect(all).toContain('the round trip is complete, and nothing of it is left')
  expect(exitCode).toBe(0)
  expect(all).not.toContain('an-api-key-for-tests')
  await expectNothingLeft()
})

test('the probe says what is wrong with the configuration, and makes nothing', async () => {
  const file = await writtenConfiguration()
  const program = new URL('ibm.ts', import.meta.url).pathname
  const other = await execa(process.execPath, [program, '-c', file, '--cloud', 'y'], {
    reject: false,
    all: true,
  })
  expect(other.exitCode).toBe(1)
  expect(other.all).toContain(`there is no cloud y of kind ibm in ${file}`)
  expect(other.all).not.toContain('defect')

  ibm.ibm.double.settings.authorization = 'missing'
  const { exitCode, all } = await probe()
  ibm.ibm.double.settings.authorization = 'there'
  expect(exitCode).toBe(1)
  expect(all).toContain('mend the errors first: nothing was made')
  await expectNothingLeft()
})

test('the probe that is stopped removes what it has begun', async () => {
  const fault = ibm.ibm.double.inject({ action: 'AttachTag', times: 1, effect: stalled() })
  const probing = start(await writtenConfiguration())
  await fault.happened
  probing.kill('SIGINT')
  const { exitCode, all } = await probing
  fault.remove()
  expect(all).toContain('stopped by SIGINT')
  expect(exitCode).toBe(1)
  await expectNothingLeft()
})

test('the probe removes what one before it left that was killed', async () => {
  const fault = ibm.ibm.double.inject({ action: 'AttachTag', times: 1, effect: stalled() })
  const probing = start(await writtenConfiguration())
  await fault.happened
  probing.kill('SIGKILL')
  await probing
  fault.remove()
  expect(await ibm.ibm.inBucket()).toHaveLength(1)
  const { exitCode } = await probe()
  expect(exitCode).toBe(0)
  await expectNothingLeft()
})

test('the probe that finds something wrong says what, and sends nothing', async () => {
  ibm.ibm.double.settings.authorization = 'missing'
  const { exitCode, all } = await probe()
  expect(exitCode).toBe(1)
  expect(all).toContain('authorization-policy-create')
  expect(ibm.ibm.double.calls('CreateImage')).toEqual([])
})

test('the disk of the probe is a qcow2 without faults', async () => {
  const { path, virtualBytes } = await writeSmallDisk(join(ibm.ibm.directory, 'small.qcow2'), 'x86_64')
  const { stdout } = await execa('qemu-img', ['info', '--output=json', path])
  expect(JSON.parse(stdout)).toMatchObject({ format: 'qcow2', 'virtual-size': virtualBytes })
  await execa('qemu-img', ['check', path])
})
