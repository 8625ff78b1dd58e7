import { stringify } from 'yaml'

/** What a consumer of images is told of one. */
export interface UsableImage {
  cloud: string
  region: string
  arch: string
  kind: string
  id: string
  name: string
}

/**
 * The images of one release as Ansible variables, `variable.cloud.architecture`: libvirt knows an image by its name, every
 * other cloud by its id. Where it is called differently from region to region, there is one value a region.
 */
export function ansibleVariables(
  variable: string,
  images: readonly UsableImage[],
  about: { release: string; channel?: string },
): string {
  const clouds = [...Map.groupBy(images, ({ cloud }) => cloud)].map(([cloud, ofCloud]) => [
    cloud,
    Object.fromEntries(
      [...Map.groupBy(ofCloud, ({ arch }) => arch)].map(([arch, own]) => [arch, valueOf(own)]),
    ),
  ])
  const head = `# Release ${about.release}${about.channel === undefined ? '' : ` (${about.channel})`}\n`
  return head + stringify({ [variable]: Object.fromEntries(clouds) })
}

/** `copr-builder` makes `copr_builder_images`. */
export function variableOf(imageName: string): string {
  return `${imageName.replaceAll(/[^A-Za-z0-9]/g, '_').replace(/^(?=\d)/, '_')}_images`
}

function valueOf(images: readonly UsableImage[]): string | Record<string, string> {
  const called = images.map(
    (image) => [image.region, image.kind === 'libvirt' ? image.name : image.id] as const,
  )
  const [first] = called
  if (first && called.every(([, value]) => value === first[1])) return first[1]
  return Object.fromEntries(called)
}
