import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { cloudConfigurations } from '#clouds/index.ts'
import type { CloudKind } from '#clouds/types.ts'
import { parseBytes, parseDuration } from '#src/units.ts'
import { notify, rebuild, retention, serve } from './operation.ts'
import { referenceProblem, repositoryProblem } from '#src/registry/reference.ts'

const word = /^[a-z0-9]+(-[a-z0-9]+)*$/
const wordRule =
  'is no name: use lower-case letters and digits, joined by single dashes, at most 40 characters'

const architecture = z.enum(architectureNames)
const name = z.string().max(40, wordRule).regex(word, wordRule)
const path = z.string().min(1, 'is an empty path')

/** Timers hold 31 bits of milliseconds. */
const longestMs = 24 * 86_400_000

const duration = z
  .string()
  .refine(
    (text) => (parseDuration(text) ?? 0) > 0 && (parseDuration(text) ?? 0) <= longestMs,
    'is no duration up to 24d: write a number and ms, s, m, h or d, like "90s" or "2h"',
  )

const size = z
  .string()
  .refine(
    (text) => /[A-Za-z]/.test(text) && (parseBytes(text) ?? 0) > 0,
    'is no size: write a number and MiB, GiB or TiB, like "10 GiB"',
  )

const reference = checked(referenceProblem)
const repository = checked(repositoryProblem)

/** The rule speaks for itself: its sentence is the message. */
function checked(problem: (text: string) => string | undefined): z.ZodString {
  return z.string().refine((text) => problem(text) === undefined, {
    error: ({ input }) => problem(String(input)) ?? '',
    params: { code: 'reference-invalid' },
  })
}

type KindSchema = (typeof cloudConfigurations)[CloudKind]
const cloud = z.discriminatedUnion(
  'kind',
  Object.values(cloudConfigurations) as [KindSchema, ...KindSchema[]],
)

const image = z
  .strictObject({
    name: name.describe('What the images are called: part of every image name in every cloud.'),
    containerfile: path
      .optional()
      .describe('The Containerfile that the image is built from. Either this or `ref`.'),
    context: path.optional().describe("The build context; by default the Containerfile's directory."),
    buildArgs: z
      .record(z.string().regex(/^[A-Za-z_]\w*$/, 'is no name of a build argument'), z.string())
      .default({})
      .describe('Values for the `ARG`s of the Containerfile. Not for secrets: they end up in the image.'),
    secrets: z
      .record(z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'is no id of a secret'), path)
      .default({})
      .describe(
        'Files for `RUN --mount=type=secret,id=…`, by id. They never enter the image, a log or the journal.',
      ),
    ref: reference
      .optional()
      .describe(
        'An existing bootable container image instead of a Containerfile; nothing is built but the disks.',
      ),
    push: repository
      .optional()
      .describe(
        'Where the container image is pushed as one multi-architecture index: a repository without a tag. Booted machines upgrade from it.',
      ),
    authFile: path
      .optional()
      .describe(
        'Credentials for registries, as `podman login` writes them; by default the files that podman itself looks at.',
      ),
  })
  .describe('What is built.')

const disk = z
  .strictObject({
    builder: z
      .union([reference, z.partialRecord(architecture, reference)])
      .describe('The image of bootc-image-builder: one for all architectures, or a map with one each.'),
    rootfs: z.enum(['xfs', 'ext4', 'btrfs']).default('xfs').describe('The root file system.'),
    size: size
      .optional()
      .describe('At least this much for the root file system, like `10 GiB`. Excludes `config`.'),
    config: path
      .optional()
      .describe('A `config.toml` that is handed to bootc-image-builder as it is. Excludes `size`.'),
  })
  .describe('How the container image becomes disk images.')

const publish = z.strictObject({
  to: name.describe('The name of a cloud.'),
  arch: z
    .array(architecture)
    .min(1, 'names no architecture: leave it out for all')
    .optional()
    .describe('Which architectures go there; by default all that are built.'),
  format: z
    .enum(['raw', 'qcow2'])
    .default('raw')
    .describe('The format of the disk image. Raw boots fastest where storage is shared.'),
  verify: z
    .boolean()
    .default(true)
    .describe('Boot the published image and ask it over SSH which release it is.'),
})

const limits = z
  .strictObject({
    build: duration.default('2h').describe('The container build on one architecture.'),
    disk: duration.default('2h').describe('The disk build on one architecture.'),
    boot: duration.default('10m').describe('From starting a machine to its answer over SSH.'),
    reconnect: duration
      .default('2m')
      .describe('A builder that answered before and is gone for so long counts as lost.'),
    lease: duration
      .default('4h')
      .describe(
        'After this a rented machine that nobody speaks to any more ends itself. Not shorter than `boot`.',
      ),
    collect: duration.default('1h').describe('Bringing the disk images of one architecture here.'),
  })
  .prefault({})
  .describe('How long things may take.')

/** The whole of `factory.yaml` as it is written; see `Configuration` for what the program makes of it. */
export const factoryFile = z
  .strictObject({
    owner: name
      .optional()
      .describe(
        'Marks everything that the factory makes in a cloud as its own; by default `image.name`. Give each state directory an owner of its own: `factory adopt` takes, and gives back, what bears it.',
      ),
    image,
    disk,
    clouds: z
      .record(name, cloud)
      .describe('Where builders come from and where images go, by a name that you choose.'),
    builders: z
      .partialRecord(architecture, z.array(name).min(1, 'names no cloud'))
      .describe(
        'Which clouds rent the builders of an architecture, in order: the next one is tried when one cannot. These are the architectures that are built.',
      ),
    publish: z.array(publish).default([]).describe('Where the disk images go.'),
    require: z
      .union([z.enum(['all', 'any']), z.array(architecture).min(1, 'names no architecture')])
      .default('all')
      .describe('Which architectures a release needs to be complete.'),
    limits,
    retention,
    rebuild,
    serve,
    notify,
  })
  .describe('The configuration of the image factory.')

export type FactoryFile = z.infer<typeof factoryFile>
