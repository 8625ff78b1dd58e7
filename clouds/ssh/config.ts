import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { parseDuration } from '#src/units.ts'

/** What a slot covers with places of its own: nothing that must stay may lie below. */
const covered = ['/dev', '/proc', '/root', '/run', '/sys', '/tmp', '/var/run', '/var/tmp'].concat(
  '/var/lib/containers',
  '/var/lib/factory',
)
const longestWaitMs = 12 * 3_600_000

const address = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]+$/,
    'is neither the name of a host nor its IP address; the port stands beside it, as port',
  )

const userName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'is no user name')

const identityFile = z
  .string()
  .regex(/^(~\/|\/)[^\0\n]+$/, 'is no absolute path, nor one that begins with ~/')

const hostKey = z.string().refine((text) => hostKeyProblem(text) === undefined, {
  error: ({ input }) => hostKeyProblem(String(input)),
})

const host = z.strictObject({
  address: address.describe('Name or IP address of the host.'),
  port: z.int().min(1).max(65_535).default(22).describe('Where its sshd listens.'),
  hostKey: hostKey.describe(
    'Its SSH host key, the line of `/etc/ssh/ssh_host_ed25519_key.pub` on the host. It is never learned at the first connection.',
  ),
  user: userName.optional().describe('Who logs in, where it is not the `user` of the others.'),
  identityFile: identityFile
    .optional()
    .describe('The key to log in with, where it is not that of the others.'),
  slots: z.int().min(1).max(64).default(1).describe('How many builds it may do at the same time.'),
})

/** What `clouds.<name>` may say when its kind is ssh; docs/clouds/ssh.md shows it at work. */
export const sshConfiguration = z.strictObject({
  kind: z.literal('ssh').describe('Hosts that stand there already and are reached over SSH.'),
  hosts: z
    .partialRecord(z.enum(architectureNames), z.array(host).min(1, 'names no host'))
    .describe('The hosts, by architecture. What has none here has no builders here.'),
  user: userName
    .default('root')
    .describe('Who logs in to the hosts. Anybody but root needs sudo without a password.'),
  identityFile: identityFile
    .default('~/.ssh/id_ed25519')
    .describe('The private key to log in with, without a passphrase. It stays here.'),
  jump: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$/, 'is no [user@]host[:port]')
    .optional()
    .describe('An SSH jump host; its key must be in ~/.ssh/known_hosts. No agent is ever forwarded.'),
  authorizedKeys: z
    .string()
    .regex(
      /^\/?[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/,
      'is no path: letters, digits, dots, dashes and underscores',
    )
    .default('.ssh/authorized_keys')
    .describe(
      'Where sshd of the hosts looks for the keys of `user`, from its home directory on. The key of a lease stands there as long as the lease lasts.',
    ),
  directory: z
    .string()
    .regex(/^(\/[A-Za-z0-9][A-Za-z0-9._-]*){2,}$/, 'is no absolute path of plain names, two or more')
    .refine(
      (path) => !covered.some((place) => `${path}/`.startsWith(`${place}/`)),
      `may not lie below ${covered.join(', ')}: builds have places of their own there`,
    )
    .default('/var/lib/image-factory')
    .describe(
      'Where everything of ours lies on a host. It wants the space; the same for all factories that share the host.',
    ),
  waitFor: z
    .string()
    .refine(
      (text) => (parseDuration(text) ?? -1) >= 0 && (parseDuration(text) ?? 0) <= longestWaitMs,
      'is no duration up to 12h: write a number and s, m or h, like "10m"',
    )
    .default('10m')
    .describe(
      'How long to wait when other factories have all slots. After that the next source under `builders` is tried.',
    ),
})

export type SshConfiguration = z.infer<typeof sshConfiguration>

function hostKeyProblem(text: string): string | undefined {
  const [type, blob = ''] = text.split(' ')
  if (type !== 'ssh-ed25519') {
    return 'is no ed25519 host key: write the line of /etc/ssh/ssh_host_ed25519_key.pub, "ssh-ed25519 AAAA…"'
  }
  const bytes = Buffer.from(blob, 'base64')
  const whole =
    bytes.length === 51 &&
    bytes.toString('base64') === blob &&
    bytes.subarray(4, 15).toString('latin1') === type
  return whole && !text.includes('\n') ? undefined : 'is no ed25519 host key: it was cut off or mistyped'
}
