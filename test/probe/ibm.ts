/*
 * The cheapest round trip through the real IBM Cloud, for whoever has an account; the double in test/servers/ibm-cloud has
 * never met it:
 *
 *   npm run probe:ibm                      the cloud of kind ibm of ./factory.yaml
 *   npm run probe:ibm -- -c FILE --cloud NAME
 *
 * It runs the doctor, lists what there is, sends an empty disk of 384 KiB to the bucket, imports it as an image, finds it
 * again and removes it. No machine is rented. It costs some requests and an image of 10 GB for some minutes. What was left
 * by an attempt that failed is removed, too, as far as possible; run it again to see.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ibmArchitectures } from '#clouds/ibm/config.ts'
import { openCloud } from '#clouds/index.ts'
import type { Cloud, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { sleep } from '#src/sleep.ts'
import { writeSmallDisk } from './small-disk.ts'

const limitMs = 2 * 3_600_000

const { values } = parseArgs({
  options: { config: { type: 'string', short: 'c' }, cloud: { type: 'string' } },
})
process.exitCode = await main().catch((error: unknown) => {
  const { code, message, hint } = asFactoryError(error)
  console.error(`${code}: ${message}${hint === undefined ? '' : `\n  ${hint}`}`)
  return 1
})

async function main(): Promise<number> {
  const configuration = await loadConfiguration(values.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const [name, settings] =
    Object.entries(configuration.clouds).find(
      ([each, { kind }]) => kind === 'ibm' && each === (values.cloud ?? each),
    ) ?? []
  if (name === undefined || settings?.kind !== 'ibm')
    throw new Error('the configuration has no cloud of kind ibm')
  const directory = await mkdtemp(join(tmpdir(), 'factory-probe-'))
  const owner = `probe-${randomBytes(4).toString('hex')}`
  try {
    const cloud = await openCloud(name, settings, { owner, stateDirectory: directory })
    const ctx = probeContext()
    if (!(await isHealthy(cloud, ctx))) return 1
    const arch = ibmArchitectures.find((each) => settings.operatingSystem[each] !== undefined)
    if (arch === undefined) throw new Error(`clouds.${name}.operatingSystem names none`)
    const artifact = await writeSmallDisk(join(directory, 'disk.qcow2'), arch)
    await roundTrip(cloud, artifact, keyFor(cloud, artifact, owner), ctx)
    console.log('the round trip is complete, and nothing of it is left')
    return 0
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function isHealthy(cloud: Cloud, ctx: Context): Promise<boolean> {
  let isGood = true
  for await (const { severity, subject, message, hint } of cloud.doctor(ctx)) {
    console.log(`${severity.padEnd(8)}${subject}: ${message}${hint === undefined ? '' : ` (${hint})`}`)
    if (severity === 'error') isGood = false
  }
  for await (const { kind, id } of cloud.builders!.find('nobody', ctx))
    console.log(`found ${kind} ${id} of nobody`)
  console.log('machines, volumes and floating IPs can be listed')
  return isGood
}

async function roundTrip(cloud: Cloud, artifact: Artifact, key: ImageKey, ctx: Context): Promise<void> {
  const images = cloud.images!
  try {
    await images.check(
      key.region,
      { virtualBytes: artifact.virtualBytes, storedBytes: artifact.sizeBytes },
      ctx,
    )
    const image = await images.publish(artifact, key, ctx)
    console.log(`published ${image.id} (${image.name}) in ${image.region}`)
    const found = await images.find(key, ctx)
    if (found?.id !== image.id)
      throw new Error(`${image.id} was published, and ${found?.id ?? 'nothing'} was found`)
    console.log('found again by its content, with its marks')
    await images.remove(image, ctx)
    console.log('removed')
  } finally {
    for await (const leftover of images.leftovers(key.owner, ctx)) {
      console.log(`removing ${leftover.id}, which was left`)
      await images.discard(leftover, ctx)
    }
  }
}

function keyFor(cloud: Cloud, { arch, sha256, format }: Artifact, owner: string): ImageKey {
  const origin = { releaseKey: owner, buildKey: owner, identity: 'probe', imageName: 'probe' }
  const place = { cloud: cloud.name, region: cloud.images!.regions[0]!, arch }
  return { ...place, sha256, format, name: `factory-probe-${arch}`, release: owner, owner, origin }
}

function probeContext(): Context {
  const signal = AbortSignal.timeout(limitMs)
  return {
    signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, signal),
    emit: ({ message }) => console.log(`  ${message}`),
    log: (line) => console.log(`  ${line}`),
  }
}
