import { dirname, resolve } from 'node:path'
import { architectureNames } from '#arch/index.ts'
import type { ArchitectureName } from '#arch/index.ts'
import { parseBytes, parseDuration } from '#src/units.ts'
import {
  notifyConfiguration,
  rebuildConfiguration,
  retentionConfiguration,
  serveConfiguration,
} from './resolve-operation.ts'
import type { FactoryFile } from './schema.ts'
import type { Configuration, DiskConfiguration, ImageConfiguration } from './types.ts'

type Surroundings = Pick<Configuration, 'file' | 'directory' | 'stateDirectory' | 'place'>

/** Makes what the program uses of what was written; the file has passed every check before. */
export function toConfiguration(file: FactoryFile, surroundings: Surroundings): Configuration {
  const architectures = architectureNames.filter((arch) => file.builders[arch] !== undefined)
  return {
    ...surroundings,
    owner: file.owner ?? file.image.name,
    image: imageConfiguration(file.image, surroundings.directory),
    disk: diskConfiguration(file.disk, architectures, surroundings.directory),
    clouds: file.clouds,
    architectures,
    builders: file.builders,
    publish: file.publish.map(({ to, arch, format, verify }) => ({
      to,
      architectures: architectures.filter((name) => arch?.includes(name) ?? true),
      format,
      verify,
    })),
    require: file.require,
    limits: {
      build: milliseconds(file.limits.build),
      disk: milliseconds(file.limits.disk),
      boot: milliseconds(file.limits.boot),
      reconnect: milliseconds(file.limits.reconnect),
      lease: milliseconds(file.limits.lease),
      collect: milliseconds(file.limits.collect),
    },
    retention: retentionConfiguration(file.retention),
    rebuild: rebuildConfiguration(file.rebuild, surroundings.directory),
    serve: serveConfiguration(file.serve, surroundings.directory),
    notify: notifyConfiguration(file.notify, surroundings.directory),
  }
}

function imageConfiguration(image: FactoryFile['image'], directory: string): ImageConfiguration {
  return {
    name: image.name,
    source: imageSource(image, directory),
    ...(image.push === undefined ? {} : { push: image.push }),
    ...(image.authFile === undefined ? {} : { authFile: resolve(directory, image.authFile) }),
  }
}

function imageSource(image: FactoryFile['image'], directory: string): ImageConfiguration['source'] {
  if (image.ref !== undefined) return { kind: 'ref', ref: image.ref }
  const containerfile = resolve(directory, image.containerfile ?? 'Containerfile')
  const secrets = Object.entries(image.secrets).map(([id, file]) => [id, resolve(directory, file)])
  return {
    kind: 'containerfile',
    containerfile,
    context: image.context === undefined ? dirname(containerfile) : resolve(directory, image.context),
    buildArgs: image.buildArgs,
    secrets: Object.fromEntries(secrets) as Record<string, string>,
  }
}

function diskConfiguration(
  disk: FactoryFile['disk'],
  architectures: readonly ArchitectureName[],
  directory: string,
): DiskConfiguration {
  const given = disk.builder
  const builders = architectures.map((arch) => [arch, typeof given === 'string' ? given : given[arch]])
  return {
    builders: Object.fromEntries(builders) as DiskConfiguration['builders'],
    rootfs: disk.rootfs,
    ...(disk.size === undefined ? {} : { sizeBytes: parseBytes(disk.size) ?? 0 }),
    ...(disk.config === undefined ? {} : { config: resolve(directory, disk.config) }),
  }
}

function milliseconds(text: string): number {
  return parseDuration(text) ?? 0
}
