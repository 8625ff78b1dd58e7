import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { parseBytes } from '#src/units.ts'

const uriSchemes = ['qemu:', 'qemu+unix:', 'qemu+ssh:']
const uriParameters = ['keyfile', 'known_hosts', 'socket', 'mode', 'proxy', 'netcat']
const leastMemoryBytes = 256 * 1024 ** 2

const uri = z.string().refine((text) => uriProblem(text) === undefined, {
  error: ({ input }) => uriProblem(String(input)),
})

const resourceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._+-]*$/, 'is no name: use letters, digits, dots, dashes and underscores')

const bootFile = z
  .string()
  .regex(
    /^(\/[^\s"'<>&]+|[A-Za-z0-9_][A-Za-z0-9._+-]*)$/,
    'is neither the name of a volume nor an absolute path',
  )

const base = z.strictObject({
  volume: resourceName.describe(
    'The volume of the base disk, in `builderPool`. It is never written: builders run on copy-on-write overlays.',
  ),
  kernel: bootFile
    .optional()
    .describe(
      'Boot this kernel directly instead of the boot loader on the disk: a volume or an absolute path.',
    ),
  initrd: bootFile.optional().describe('The initial RAM disk that goes with `kernel`.'),
  kernelArguments: z.string().default('').describe('The command line for `kernel`.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/, 'is no user name')
    .default('root')
    .describe('Who logs in to builders. Anybody but root gets sudo without a password.'),
})

/** What `clouds.<name>` may say when its kind is libvirt; docs/clouds/libvirt.md shows it at work. */
export const libvirtConfiguration = z.strictObject({
  kind: z.literal('libvirt').describe('Hypervisors that are managed by libvirt.'),
  uri: z
    .union([uri, z.array(uri).min(1, 'names no hypervisor')])
    .default('qemu:///system')
    .describe(
      'Where libvirt listens: `qemu:///system`, `qemu:///session` or `qemu+ssh://user@host/system`, with `?keyfile=…&known_hosts=…` if needed. Images go to every hypervisor of a list.',
    ),
  pool: resourceName
    .default('images')
    .describe(
      'The storage pool that images are published to. Pools are directories: types dir, fs and netfs.',
    ),
  builderPool: resourceName
    .optional()
    .describe('The storage pool with the base disks, and for the disks of builders; by default `pool`.'),
  base: z
    .partialRecord(z.enum(architectureNames), base)
    .default({})
    .describe('The base disk of builders, by architecture. Without one this cloud rents no builders of it.'),
  cpus: z.int().min(1).max(256).default(2).describe('Virtual CPUs of a builder.'),
  memory: z
    .string()
    .refine(
      (text) => (parseBytes(text) ?? 0) >= leastMemoryBytes,
      'must be a size of at least 256 MiB, like "4 GiB"',
    )
    .default('4 GiB')
    .describe('Memory of a builder, like `4 GiB`.'),
  maxBuilders: z
    .int()
    .min(1)
    .default(4)
    .describe('At most this many builders at once, over all hypervisors.'),
  accelerator: z
    .enum(['auto', 'kvm', 'tcg'])
    .default('auto')
    .describe(
      'How guests of the hypervisor’s own architecture run. `auto` starts a tiny guest once and takes KVM only when that gets somewhere within seconds; other architectures are always emulated (TCG).',
    ),
})

export type LibvirtConfiguration = z.infer<typeof libvirtConfiguration>
export type LibvirtBase = z.infer<typeof base>

function uriProblem(text: string): string | undefined {
  if (!URL.canParse(text) || !uriSchemes.includes(new URL(text).protocol)) {
    return 'is no libvirt address: write qemu:///system, qemu:///session or qemu+ssh://user@host/system'
  }
  const url = new URL(text)
  if (url.protocol === 'qemu+ssh:' && !/^[A-Za-z0-9][A-Za-z0-9.-]*$|^\[[0-9a-f:]+\]$/i.test(url.hostname)) {
    return 'names no host: write qemu+ssh://user@host/system'
  }
  if (url.username.startsWith('-') || url.password !== '') return 'may name a user, and no password'
  if (url.pathname !== '/system' && url.pathname !== '/session') return 'must end with /system or /session'
  const unknown = [...url.searchParams.keys()].find((key) => !uriParameters.includes(key))
  if (unknown === 'no_verify') return 'has no_verify: host keys of hypervisors are always verified'
  if (unknown !== undefined) return `has the parameter ${unknown}; known are ${uriParameters.join(', ')}`
  return undefined
}
