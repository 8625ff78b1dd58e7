import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { Problem } from '#src/config/problems.ts'
import { didYouMean } from '#src/config/suggest.ts'
import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { PlannedDestination } from '#src/journal/records.ts'

/** Clouds by name, as far as a plan asks them: what they offer and take, never anything that leaves the process. */
export type CloudAbilities = ReadonlyMap<string, Pick<Cloud, 'builders' | 'images'>>

/** What the user asks for on the command line; nothing means everything that is configured. */
export interface Selection {
  architectures?: readonly ArchitectureName[] | undefined
  /** Names of clouds. */
  to?: readonly string[] | undefined
}

/** The architectures that are asked for, in the order of arch/; with `to`, those that go to one of these clouds. */
export function selectedArchitectures(
  configuration: Configuration,
  { architectures, to }: Selection,
): ArchitectureName[] {
  const unknown = architectures?.find((arch) => !configuration.architectures.includes(arch))
  if (unknown !== undefined) throw unknownArchitecture(unknown, configuration.architectures)
  const clouds = [...new Set(configuration.publish.map((entry) => entry.to))]
  const nowhere = to?.find((name) => !clouds.includes(name))
  if (nowhere !== undefined) throw unknownDestination(nowhere, clouds)
  const goes = (arch: ArchitectureName) =>
    configuration.publish.some((entry) => to?.includes(entry.to) && entry.architectures.includes(arch))
  return configuration.architectures.filter(
    (arch) => (architectures?.includes(arch) ?? true) && (to === undefined || goes(arch)),
  )
}

/**
 * Where each image goes: every region of the cloud, for every architecture that is asked for. Where the cloud says that
 * nothing can be booted there, verification is not asked for.
 */
export function destinationsOf(
  configuration: Configuration,
  clouds: CloudAbilities,
  architectures: readonly ArchitectureName[],
  { to }: Selection,
): PlannedDestination[] {
  return configuration.publish
    .filter((entry) => to?.includes(entry.to) ?? true)
    .flatMap(({ to: cloud, architectures: wanted, format, verify }) =>
      wanted
        .filter((arch) => architectures.includes(arch))
        .flatMap((arch) =>
          (clouds.get(cloud)?.images?.regions ?? []).map((region) => ({
            cloud,
            region,
            arch,
            format,
            verify: verify && canBoot(clouds, cloud, arch, region),
          })),
        ),
    )
}

function canBoot(clouds: CloudAbilities, cloud: string, arch: ArchitectureName, region: string): boolean {
  return clouds.get(cloud)?.builders?.offers(arch, region).ok !== false
}

/** Everything that cannot work, found before anything is built: formats, clouds without images, no builders. */
export function impossibilities(
  configuration: Configuration,
  clouds: CloudAbilities,
  architectures: readonly ArchitectureName[],
  makes: (arch: ArchitectureName, format: DiskFormat) => boolean,
): Problem[] {
  const publishing = configuration.publish.flatMap((entry, index) =>
    entry.architectures
      .filter((arch) => architectures.includes(arch))
      .flatMap((arch) => publishProblem({ ...entry, arch, index }, configuration, clouds, makes)),
  )
  return [...publishing, ...architectures.flatMap((arch) => builderProblem(arch, configuration, clouds))]
}

function publishProblem(
  entry: { to: string; format: DiskFormat; arch: ArchitectureName; index: number; verify: boolean },
  configuration: Configuration,
  clouds: CloudAbilities,
  makes: (arch: ArchitectureName, format: DiskFormat) => boolean,
): Problem[] {
  const { to, format, arch, index } = entry
  const place = configuration.place(['publish', index])
  const images = clouds.get(to)?.images
  if (images === undefined) {
    const hint = 'Name another cloud in `publish` of the configuration.'
    return [{ code: 'cloud-takes-no-images', place, message: `the cloud ${to} cannot hold images`, hint }]
  }
  if (!makes(arch, format)) {
    const message = `the disk builder makes no ${format} images for ${arch}`
    return [{ code: 'format-not-made', place, message, hint: 'Choose another format for this architecture.' }]
  }
  if (entry.verify && clouds.get(to)?.builders === undefined) {
    const message = `${to} cannot start machines, so its images cannot be verified`
    return [
      { code: 'cloud-cannot-verify', place, message, hint: 'Add verify: false to this entry of publish.' },
    ]
  }
  const verdict = images.takes(arch, format)
  if (verdict.ok) return []
  const hint = verdict.hint ?? 'Choose another format or another cloud for this architecture.'
  return [
    {
      code: 'image-not-taken',
      place,
      message: `${to} takes no ${format} image for ${arch}: ${verdict.reason}`,
      hint,
    },
  ]
}

function builderProblem(
  arch: ArchitectureName,
  configuration: Configuration,
  clouds: CloudAbilities,
): Problem[] {
  const names = configuration.builders[arch] ?? []
  const refusals = names.flatMap((name) => {
    const verdict = clouds.get(name)?.builders?.offers(arch) ?? { ok: false, reason: 'it rents no machines' }
    return verdict.ok
      ? []
      : [{ name, reason: verdict.reason, hint: 'hint' in verdict ? verdict.hint : undefined }]
  })
  if (refusals.length < names.length) return []
  const hint = refusals.find((refusal) => refusal.hint !== undefined)?.hint
  return [
    {
      code: 'builder-not-offered',
      place: configuration.place(['builders', arch]),
      message: `nobody rents ${arch} builders: ${refusals.map(({ name, reason }) => `${name}: ${reason}`).join('; ')}`,
      hint: hint ?? `Name another cloud under builders: ${arch}.`,
    },
  ]
}

function unknownArchitecture(arch: ArchitectureName, known: readonly string[]): FactoryError {
  return new FactoryError({
    code: 'architecture-not-configured',
    class: 'user',
    message: `${arch} is not built by this configuration; built are: ${known.join(', ')}`,
    hint: `Give it an entry under builders: ${arch}: [CLOUD]`,
  })
}

function unknownDestination(name: string, known: readonly string[]): FactoryError {
  return new FactoryError({
    code: 'destination-not-configured',
    class: 'user',
    message: `nothing is published to ${name}${didYouMean(name, known)}`,
    hint: `Give it an entry under publish: - { to: ${name} }`,
  })
}
