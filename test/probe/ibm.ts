/*
 * The cheapest round trip through the real IBM Cloud, for whoever has an account; the double in test/servers/ibm-cloud has
 * never met it:
 *
 *   npm run probe:ibm                      the cloud of kind ibm of ./factory.yaml
 *   npm run probe:ibm -- -c FILE --cloud NAME
 *
 * It runs the doctor, lists what there is, sends an empty disk of 384 KiB to the bucket, imports it as an image, finds it
 * again and removes it. No machine is rented. It costs some requests and an image of 10 GB for some minutes. What an attempt
 * leaves that fails or is stopped is removed at its end; what one leaves that is killed, by the next one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ibmArchitectures } from '#clouds/ibm/config.ts'
import { openCloud } from '#clouds/index.ts'
import type { Cloud, ImageKey, ImageStore } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { sleep } from '#src/sleep.ts'
import { writeSmallDisk } from './small-disk.ts'

const limitMs = 2 * 3_600_000
const cleaningLimitMs = 30 * 60_000

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
    throw mistake(
      `there is no cloud${values.cloud === undefined ? '' : ` ${values.cloud}`} of kind ibm in ${configuration.file}`,
      'Name the right file with -c FILE, and with --cloud NAME one of several clouds.',
    )
  const directory = await mkdtemp(join(tmpdir(), 'factory-probe-'))
  // Nobody else's, and the same each time: so it is known what an attempt left that was killed.
  const owner = `probe-${configuration.owner}`
  try {
    const cloud = await openCloud(name, settings, { owner, stateDirectory: directory })
    const ctx = probeContext(AbortSignal.any([stopped(), AbortSignal.timeout(limitMs)]))
    if (!(await isHealthy(cloud, ctx))) return 1
    const arch = ibmArchitectures.find((each) => settings.operatingSystem[each] !== undefined)
    if (arch === undefined)
      throw mistake(
        `clouds.${name}.operatingSystem names none`,
        'Write one as docs/clouds/ibm.md shows in step 6.',
      )
    const artifact = await writeSmallDisk(join(directory, 'disk.qcow2'), arch)
    await roundTrip(cloud, artifact, keyFor(cloud, artifact, owner), ctx)
    console.log('the round trip is complete, and nothing of it is left')
    return 0
  } finally {
    await rm(directory, { recursive: true })
  }
}

function mistake(message: string, hint: string): FactoryError {
  return new FactoryError({ code: 'configuration-invalid', class: 'user', message, hint })
}

async function isHealthy(cloud: Cloud, ctx: Context): Promise<boolean> {
  let isGood = true
  for await (const { severity, subject, message, hint } of cloud.doctor(ctx)) {
    console.log(`${severity.padEnd(8)}${subject}: ${message}${hint === undefined ? '' : ` (${hint})`}`)
    if (severity === 'error') isGood = false
  }
  if (!isGood) {
    console.log('mend the errors first: nothing was made')
    return false
  }
  for await (const { kind, id } of cloud.builders!.find('nobody', ctx))
    console.log(`found ${kind} ${id} of nobody`)
  console.log('machines, volumes and floating IPs can be listed')
  return true
}

async function roundTrip(cloud: Cloud, artifact: Artifact, key: ImageKey, ctx: Context): Promise<void> {
  const images = cloud.images!
  await removeAll(images, key.owner)
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
  } catch (error) {
    await removeAll(images, key.owner).catch((another: unknown) =>
      console.error(asFactoryError(another).message),
    )
    throw error
  }
  if ((await removeAll(images, key.owner)) > 0)
    throw new Error('something of it was left, and is removed now')
}

/** Removes what this or an earlier attempt has left, and says how much it was. Nobody stops it: what stays costs money. */
async function removeAll(images: ImageStore, owner: string): Promise<number> {
  const ctx = probeContext(AbortSignal.timeout(cleaningLimitMs))
  let count = 0
  for await (const image of images.list(ctx)) {
    console.log(`removing ${image.id}, which was left`)
    await images.remove(image, ctx)
    count += 1
  }
  for await (const leftover of images.leftovers(owner, ctx)) {
    console.log(`removing ${leftover.id}, which was left`)
    await images.discard(leftover, ctx)
    count += 1
  }
  return count
}

/** Aborts when somebody stops the probe; a second time stops it at once. */
function stopped(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)))
  return stop.signal
}

function keyFor(cloud: Cloud, { arch, sha256, format }: Artifact, owner: string): ImageKey {
  const origin = { releaseKey: owner, buildKey: owner, identity: 'probe', imageName: 'probe' }
  const place = { cloud: cloud.name, region: cloud.images!.regions[0]!, arch }
  return { ...place, sha256, format, name: `factory-probe-${arch}`, release: owner, owner, origin }
}

function probeContext(signal: AbortSignal): Context {
  return {
    signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, signal),
    emit: ({ message }) => console.log(`  ${message}`),
    log: (line) => console.log(`  ${line}`),
  }
}
