import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { parseBytes } from '#src/units.ts'
import { refuseContradictions } from './contradictions.ts'
import { priceTable } from './price-table.ts'

/** What Nova, Cinder and Neutron take as a name: https://docs.openstack.org/api-ref/compute/#create-server */
const name = z
  .string()
  .regex(/^(?! )[ -~]{1,255}(?<! )$/, 'is no name or id: use up to 255 printable characters')
const region = z.string().regex(/^[A-Za-z0-9][\w.-]{0,254}$/, 'is no region, like RegionOne')
const user = z.string().regex(/^[a-z_][a-z0-9_-]*$/, 'is no user name')
const path = z
  .string()
  .regex(/^(\/|~\/)./, 'must be an absolute path, or one in your home directory that begins with ~/')

const base = z.strictObject({
  image: name.describe('The image that builders start from, by name or id; of several of a name the newest.'),
  user: user
    .default('root')
    .describe('Who logs in to builders. Anybody but root gets sudo without a password.'),
})

const keys = z.strictObject({
  kind: z.literal('openstack').describe('OpenStack: Nova machines and Glance images.'),
  region: region.describe('Where builders are rented and images are made, as the catalogue names it.'),
  copyTo: z.array(region).default([]).describe('Further regions that every image is sent to as well.'),
  cloud: name
    .optional()
    .describe(
      'A cloud of clouds.yaml; by default what OS_CLOUD names, else the OS_* variables of the environment.',
    ),
  cloudsFile: path
    .optional()
    .describe(
      'That file, where it is not one that every OpenStack tool looks at (./clouds.yaml, ~/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml).',
    ),
  interface: z
    .enum(['public', 'internal', 'admin'])
    .optional()
    .describe(
      'Which addresses of the catalogue are used; by default those that clouds.yaml says, else the public ones.',
    ),
  base: z
    .partialRecord(z.enum(architectureNames), base)
    .default({})
    .describe('What builders start from, by architecture. Without one this cloud rents no builders of it.'),
  flavors: z
    .partialRecord(z.enum(architectureNames), z.array(name).min(1, 'names no flavor'))
    .default({})
    .describe(
      'Flavors of machines by architecture, by name or id, the preferred one first; the next one is asked for when there is no room.',
    ),
  zones: z
    .array(name)
    .default([])
    .describe('Availability zones for machines, the preferred one first. By default Nova chooses.'),
  networks: z
    .array(name)
    .default([])
    .describe('Networks for machines, by name or id. By default the only one that the project has.'),
  securityGroups: z
    .array(name)
    .default([])
    .describe('Security groups for machines, which must let SSH in, by name or id. None is ever made.'),
  floatingNetwork: name
    .optional()
    .describe(
      'Give machines floating IPs from this external network. Without it they are reached at their own addresses.',
    ),
  jump: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$/, 'is no [user@]host[:port]')
    .optional()
    .describe('An SSH jump host; its key must be in ~/.ssh/known_hosts. No agent is ever forwarded.'),
  rootVolume: z
    .string()
    .refine((text) => (parseBytes(text) ?? 0) >= 1024 ** 3, 'must be a size of at least 1 GiB, like "30 GiB"')
    .optional()
    .describe(
      'Start machines from a volume of this size instead of the disk of their flavor, for flavors that have none.',
    ),
  dataDisk: z
    .enum(['volume', 'root'])
    .default('volume')
    .describe(
      'Where the data of a build go: to a Cinder volume of their own, or to the root disk, when that is large enough.',
    ),
  volumeType: name.optional().describe('The type of volumes; by default the one that Cinder takes.'),
  volumeZone: name.optional().describe('The availability zone of volumes; by default Cinder chooses.'),
  maxBuilders: z.int().min(1).default(4).describe('At most this many machines at once.'),
  method: z
    .enum(['put', 'glance-direct', 'web-download'])
    .default('put')
    .describe(
      'How images get to Glance: `put` sends them at once, `glance-direct` into its staging area first, and with `web-download` it fetches them itself from `downloadFrom`.',
    ),
  downloadFrom: z
    .url({ protocol: /^https?$/, error: 'is no address that begins with http:// or https://' })
    .optional()
    .describe(
      'With `method: web-download`: where Glance reaches the artifacts of the state directory (`store/sha256`), served by a web server of yours.',
    ),
  visibility: z
    .enum(['private', 'shared', 'community', 'public'])
    .default('private')
    .describe('Who else may use the images. For `public` most clouds want an administrator.'),
  shareWith: z
    .array(z.string().regex(/^[0-9a-f-]{32,36}$/, 'is no id of a project'))
    .default([])
    .describe(
      'With `visibility: shared`: ids of projects that may use the images when they have accepted them.',
    ),
  firmware: z
    .partialRecord(z.enum(architectureNames), z.enum(['bios', 'uefi']))
    .default({})
    .describe(
      '`hw_firmware_type` of images; by default uefi for aarch64, and for the others what the cloud takes.',
    ),
  distro: z
    .string()
    .regex(/^[a-z][a-z0-9.-]*$/, 'is no short name of a distribution, like fedora or centos')
    .default('fedora')
    .describe('`os_distro` of images: the short name that libosinfo knows.'),
  properties: z
    .record(
      z
        .string()
        .regex(
          /^(?!factory_|os_h|owner$|id$|name$|status$|visibility$|tags$)[A-Za-z0-9_.:-]{1,255}$/,
          'is no name of a property: up to 255 letters, digits and _.:-, and none of Glance’s or of ours (factory_…)',
        ),
      z.string().max(255),
    )
    .default({})
    .describe(
      'More properties for images, like `hw_qemu_guest_agent: "yes"`; they win over those that are set otherwise.',
    ),
  prices: priceTable,
})

/** What `clouds.<name>` may say when its kind is openstack; docs/clouds/openstack.md shows it at work. */
export const openstackConfiguration = keys.superRefine(refuseContradictions)

export type OpenstackConfiguration = z.infer<typeof keys>
export type OpenstackBase = z.infer<typeof base>
