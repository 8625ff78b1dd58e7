import { architectureNames } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'
import { parseDuration } from '#src/units.ts'
import { rebuildChecks } from './rebuild-checks.ts'
import type { FactoryFile } from './schema.ts'
import type { Path } from './source.ts'
import { didYouMean } from './suggest.ts'

export interface Finding {
  path: Path
  message: string
}

/** The sections that were understood, and the names in the file as it is written, right or wrong. */
export interface Understood {
  sections: Partial<FactoryFile>
  /** Undefined when there is no map of clouds. */
  clouds: readonly string[] | undefined
  /** Undefined when it cannot be told which architectures are meant. */
  built: readonly ArchitectureName[] | undefined
  /** Sections that the schema has complained of: that something is absent there may be the same mistake. */
  faulty: ReadonlySet<string>
}

/** Collects the names from the file as it is written, so that one mistake is not told twice. */
export function understood(
  value: unknown,
  sections: Partial<FactoryFile>,
  faulty: ReadonlySet<string>,
): Understood {
  const { clouds, builders } = value as { clouds?: unknown; builders?: unknown }
  const names = keysOf(builders)
  const known = architectureNames.filter((arch) => names?.includes(arch))
  const built = known.length === names?.length ? known : undefined
  return { sections, faulty, clouds: keysOf(clouds), built }
}

/** What the schema cannot say: one part of the file contradicts another. */
export function crossChecks(file: Understood): Finding[] {
  return [
    ...imageSource(file),
    ...diskBuilders(file),
    ...builderClouds(file),
    ...publishTargets(file),
    ...requirement(file),
    ...leaseLength(file),
    ...rebuildChecks(file),
    ...mailServers(file),
  ]
}

function imageSource({ sections: { image }, faulty }: Understood): Finding[] {
  if (image === undefined) return []
  const { containerfile, ref } = image
  if (containerfile === undefined && ref === undefined) {
    return faulty.has('image') ? [] : [{ path: ['image'], message: 'image: needs "containerfile" or "ref"' }]
  }
  if (ref === undefined) return []
  const excluded = (['containerfile', 'context', 'push'] as const).filter((key) => image[key] !== undefined)
  const filled = (['buildArgs', 'secrets'] as const).filter((key) => Object.keys(image[key]).length > 0)
  return [...excluded, ...filled].map((key) => ({
    path: ['image', key],
    message: `image.${key}: goes with a Containerfile, but image.ref names an image that is built already`,
  }))
}

function diskBuilders({ sections: { disk }, built, faulty }: Understood): Finding[] {
  if (disk === undefined) return []
  const findings: Finding[] = []
  if (disk.size !== undefined && disk.config !== undefined) {
    findings.push({
      path: ['disk', 'size'],
      message:
        'disk.size: excludes disk.config: write the size into the config.toml (customizations.filesystem)',
    })
  }
  const given = disk.builder
  if (typeof given === 'string' || faulty.has('disk')) return findings
  const lacking = built?.filter((arch) => given[arch] === undefined) ?? []
  if (lacking.length === 0) return findings
  return [
    ...findings,
    { path: ['disk', 'builder'], message: `disk.builder: has nothing for ${lacking.join(', ')}` },
  ]
}

function builderClouds({ sections: { builders }, built, clouds }: Understood): Finding[] {
  if (built?.length === 0) {
    return [{ path: ['builders'], message: 'builders: names no architecture, so there is nothing to build' }]
  }
  return Object.entries(builders ?? {}).flatMap(([arch, names]) =>
    names.flatMap((name, index) => {
      const path = ['builders', arch, index]
      if (names.indexOf(name) !== index) {
        return [{ path, message: `builders.${arch}: "${name}" stands here twice` }]
      }
      return unknownCloud(name, clouds, path, `builders.${arch}`)
    }),
  )
}

function publishTargets({ sections: { publish }, clouds, built }: Understood): Finding[] {
  const taken = new Map<string, number>()
  return (publish ?? []).flatMap((entry, index) => {
    const here = `publish[${index}]`
    const findings = unknownCloud(entry.to, clouds, ['publish', index, 'to'], `${here}.to`)
    for (const arch of entry.arch ?? built ?? []) {
      const path =
        entry.arch === undefined ? ['publish', index] : ['publish', index, 'arch', entry.arch.indexOf(arch)]
      const slot = `${entry.to} ${arch}`
      const earlier = taken.get(slot)
      if (earlier !== undefined) {
        findings.push({
          path,
          message: `${here}: ${arch} goes to "${entry.to}" already, by publish[${earlier}]`,
        })
      }
      taken.set(slot, index)
      if (built?.includes(arch) === false) {
        findings.push({
          path,
          message: `${here}.arch: ${arch} has no entry under builders, so it is never built`,
        })
      }
    }
    return findings
  })
}

function requirement({ sections: { require }, built }: Understood): Finding[] {
  if (!Array.isArray(require)) return []
  return require.flatMap((arch, index) =>
    built?.includes(arch) === false
      ? [
          {
            path: ['require', index],
            message: `require: ${arch} has no entry under builders, so it is never built`,
          },
        ]
      : [],
  )
}

/** A machine counts from its start, and nobody can prolong its lease before it answers. */
function leaseLength({ sections: { limits }, faulty }: Understood): Finding[] {
  if (limits === undefined || faulty.has('limits')) return []
  const { lease, boot } = limits
  if (parseDuration(lease)! >= parseDuration(boot)!) return []
  const message = `limits.lease: ${lease} is shorter than limits.boot, ${boot}: a machine would end itself while it is still waited for`
  return [{ path: ['limits', 'lease'], message }]
}

/** A password, and who has failed at what, is nothing that a network may read. */
function mailServers({ sections: { notify } }: Understood): Finding[] {
  return (notify ?? []).flatMap((receiver, index) => {
    if (receiver.kind !== 'email') return []
    const { server, tls, user, passwordFile } = receiver
    const here = `notify[${index}]`
    const findings: Finding[] = []
    if (tls === 'none' && !/^(localhost|127(\.\d+){3}|\[::1\]):/.test(server)) {
      const message = `${here}.tls: none is for a mail server on this machine, and ${server} is another: use required or starttls`
      findings.push({ path: ['notify', index, 'tls'], message })
    }
    if ((user === undefined) !== (passwordFile === undefined)) {
      const message = `${here}: "user" and "passwordFile" go together`
      findings.push({ path: ['notify', index], message })
    }
    return findings
  })
}

function unknownCloud(name: string, clouds: Understood['clouds'], path: Path, where: string): Finding[] {
  if (clouds === undefined || clouds.includes(name)) return []
  return [{ path, message: `${where}: there is no cloud "${name}"${didYouMean(name, clouds)}` }]
}

function keysOf(value: unknown): string[] | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : undefined
}
