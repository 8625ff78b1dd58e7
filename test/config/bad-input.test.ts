import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '#src/config/load.ts'
import { FactoryError } from '#src/errors.ts'
import { makeWorkspace } from './workspace.ts'

const good = `image:
  name: lab
  containerfile: Containerfile
disk:
  builder: localhost:5055/lab/bib:latest
clouds:
  lab: { kind: libvirt }
builders:
  x86_64: [lab]
publish:
  - to: lab
`

async function failure(yaml: string): Promise<{ code: string; message: string; hint: string | undefined }> {
  await using workspace = await makeWorkspace({ 'factory.yaml': yaml, Containerfile: 'FROM scratch\n' })
  const error = await loadConfiguration(undefined, workspace.directory, {}).catch((caught: unknown) => caught)
  if (!(error instanceof FactoryError)) throw new Error(`no FactoryError but ${String(error)}`)
  expect(error.class).toBe('user')
  return { code: error.code, message: error.message.replaceAll(workspace.directory, 'DIR'), hint: error.hint }
}

const mistakes: [name: string, from: string, to: string, message: string][] = [
  [
    'a misspelt key',
    '  containerfile:',
    '  contianerfile:',
    'factory.yaml:3:3: image: unknown key "contianerfile"; did you mean "containerfile"?',
  ],
  [
    'an unknown section',
    'publish:',
    'publsh:',
    'factory.yaml:10:1: unknown key "publsh"; did you mean "publish"?',
  ],
  [
    'a key of a later version',
    'publish:',
    'signing: { keep: 3 }\npublish:',
    'factory.yaml:10:1: unknown key "signing"; known: owner, image, disk, clouds, builders, publish, require, limits, retention, rebuild, serve, notify',
  ],
  [
    'a key twice',
    '  x86_64: [lab]',
    '  x86_64: [lab]\n  x86_64: [lab]',
    'factory.yaml:10:3: the key "x86_64" stands here a second time',
  ],
  [
    'a missing section',
    'disk:\n  builder: localhost:5055/lab/bib:latest\n',
    '',
    'factory.yaml:1:1: the key "disk" is missing (a map)',
  ],
  [
    'an empty section',
    'disk:\n  builder: localhost:5055/lab/bib:latest\n',
    'disk:\n',
    'factory.yaml:4:1: disk: expected a map, found nothing',
  ],
  [
    'a number where a string belongs',
    'name: lab',
    'name: lab\n  buildArgs: { FEDORA: 3.10 }',
    'factory.yaml:3:24: image.buildArgs.FEDORA: expected a string, found the number 3.10: put it in quotes, "3.10"',
  ],
  [
    'a string where a list belongs',
    '[lab]',
    'lab',
    'factory.yaml:9:11: builders.x86_64: expected a list, found the string lab',
  ],
  ['an empty list', '[lab]', '[]', 'factory.yaml:9:11: builders.x86_64: names no cloud'],
  [
    'an architecture as Go spells it',
    '  x86_64:',
    '  amd64:',
    'factory.yaml:9:3: builders: unknown architecture "amd64"; did you mean "x86_64"?',
  ],
  [
    'architectures as Debian spells them',
    '- to: lab',
    '- { to: lab, arch: [arm64, ppc64el] }',
    `2 problems in factory.yaml:
  factory.yaml:11:23: publish[0].arch[0]: unknown architecture "arm64"; did you mean "aarch64"?
  factory.yaml:11:30: publish[0].arch[1]: unknown architecture "ppc64el"; did you mean "ppc64le"?`,
  ],
  [
    'an architecture from elsewhere',
    '- to: lab',
    '- { to: lab, arch: [riscv64] }',
    'factory.yaml:11:23: publish[0].arch[0]: unknown architecture "riscv64"; known: x86_64, aarch64, ppc64le, s390x',
  ],
  [
    'an unknown kind of cloud',
    'kind: libvirt',
    'kind: libvrt',
    'factory.yaml:7:16: clouds.lab.kind: "libvrt" is not one of aws, ibm, libvirt, openstack, ssh; did you mean "libvirt"?',
  ],
  [
    'a cloud without kind',
    '{ kind: libvirt }',
    '{ pool: images }',
    'factory.yaml:7:8: clouds.lab: the key "kind" is missing (aws, ibm, libvirt, openstack or ssh)',
  ],
  [
    'a misspelt key of a cloud',
    '{ kind: libvirt }',
    '{ kind: libvirt, pol: images }',
    'factory.yaml:7:25: clouds.lab: unknown key "pol"; did you mean "pool"?',
  ],
  [
    'a cloud with a name that no machine could have',
    '  lab: { kind: libvirt }',
    '  lab: { kind: libvirt }\n  "La b": { kind: libvirt }',
    'factory.yaml:8:3: clouds: the key "La b" is no name: use lower-case letters and digits, joined by single dashes, at most 40 characters',
  ],
  [
    'a negative price',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { machineHour: { m5.large: -0.096 } } }',
    'factory.yaml:7:75: clouds.lab.prices.machineHour.m5.large: -0.096 is no price: it must be more than 0; what has no price is left out',
  ],
  [
    'a price of nothing',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { snapshotGibMonth: 0 } }',
    'factory.yaml:7:68: clouds.lab.prices.snapshotGibMonth: 0 is no price: it must be more than 0; what has no price is left out',
  ],
  [
    'a price without end',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { volumeGibMonth: .inf } }',
    'factory.yaml:7:66: clouds.lab.prices.volumeGibMonth: expected a number, found the number .inf',
  ],
  [
    'a price in quotes',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { volumeGibMonth: "0.08" } }',
    'factory.yaml:7:66: clouds.lab.prices.volumeGibMonth: expected a number, found the string "0.08"',
  ],
  [
    'a misspelt price',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { machineHours: { m5.large: 0.096 } } }',
    'factory.yaml:7:50: clouds.lab.prices: unknown key "machineHours"; did you mean "machineHour"?',
  ],
  [
    'a price of what is no instance type',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { spotHour: { m5_large: 0.05 } } }',
    'factory.yaml:7:62: clouds.lab.prices.spotHour: the key "m5_large" is no instance type, like m7i.xlarge',
  ],
  [
    'a currency that there is not',
    '  lab: { kind: libvirt }',
    '  lab: { kind: aws, region: us-east-1, prices: { currency: usd } }',
    'factory.yaml:7:60: clouds.lab.prices.currency: "usd" is no currency: write its ISO 4217 code, like USD or EUR',
  ],
  [
    'builders from a cloud that is not there',
    '[lab]',
    '[lba]',
    'factory.yaml:9:12: builders.x86_64: there is no cloud "lba"; did you mean "lab"?',
  ],
  [
    'publishing to a cloud that is not there',
    'to: lab',
    'to: aws',
    'factory.yaml:11:9: publish[0].to: there is no cloud "aws"; known: lab',
  ],
  [
    'publishing what is never built',
    '- to: lab',
    '- { to: lab, arch: [s390x] }',
    'factory.yaml:11:23: publish[0].arch: s390x has no entry under builders, so it is never built',
  ],
  [
    'publishing the same twice',
    '- to: lab',
    '- to: lab\n  - { to: lab, format: qcow2 }',
    'factory.yaml:12:5: publish[1]: x86_64 goes to "lab" already, by publish[0]',
  ],
  [
    'requiring what is never built',
    'publish:',
    'require: [x86_64, s390x]\npublish:',
    'factory.yaml:10:19: require: s390x has no entry under builders, so it is never built',
  ],
  [
    'a wrong word for require',
    'publish:',
    'require: al\npublish:',
    'factory.yaml:10:10: require: "al" is not one of all, any; did you mean "all"?',
  ],
  [
    'a wrong architecture in require',
    'publish:',
    'require: [amd64]\npublish:',
    'factory.yaml:10:11: require[0]: unknown architecture "amd64"; did you mean "x86_64"?',
  ],
  [
    'a number for require',
    'publish:',
    'require: 3\npublish:',
    'factory.yaml:10:10: require: 3 is not one of all, any',
  ],
  [
    'no duration',
    'publish:',
    'limits: { build: 2 hours }\npublish:',
    'factory.yaml:10:18: limits.build: "2 hours" is no duration up to 24d: write a number and ms, s, m, h or d, like "90s" or "2h"',
  ],
  [
    'a lease that ends before a machine must answer',
    'publish:',
    'limits: { boot: 10m, lease: 5m }\npublish:',
    'factory.yaml:10:29: limits.lease: 5m is shorter than limits.boot, 10m: a machine would end itself while it is still waited for',
  ],
  [
    'a boot that takes longer than the lease that is not written',
    'publish:',
    'limits: { boot: 5h }\npublish:',
    'factory.yaml:10:9: limits.lease: 4h is shorter than limits.boot, 5h: a machine would end itself while it is still waited for',
  ],
  [
    'a homeserver that is no http(s) address',
    'publish:',
    'notify: [{ kind: matrix, homeserver: "ftp://example.org", room: "!a:b", tokenFile: t }]\npublish:',
    'factory.yaml:10:38: notify[0].homeserver: "ftp://example.org" is no address that begins with https:// or http://',
  ],
  [
    'an alias in the place of the id of a room',
    'publish:',
    'notify: [{ kind: matrix, homeserver: "https://example.org", room: "#a:b", tokenFile: t }]\npublish:',
    'factory.yaml:10:67: notify[0].room: "#a:b" is no id of a room: it begins with "!"; an alias, with "#", is none',
  ],
  [
    'a mail server without TLS that is not this machine',
    'publish:',
    'notify: [{ kind: email, server: "mail.example.org:25", tls: none, from: a@b.c, to: [a@b.c] }]\npublish:',
    'factory.yaml:10:61: notify[0].tls: none is for a mail server on this machine, and mail.example.org:25 is another: use required or starttls',
  ],
  [
    'a mail account without its password',
    'publish:',
    'notify: [{ kind: email, server: "localhost:25", user: me, from: a@b.c, to: [a@b.c] }]\npublish:',
    'factory.yaml:10:10: notify[0]: "user" and "passwordFile" go together',
  ],
  [
    'a recipient that is more than an address',
    'publish:',
    'notify: [{ kind: email, server: "localhost:25", from: a@b.c, to: ["a@b.c\\nBcc: d@e.f"] }]\npublish:',
    'factory.yaml:10:67: notify[0].to[0]: "a@b.c\\nBcc: d@e.f" is no mail address',
  ],
  [
    'a mail server without its port',
    'publish:',
    'notify: [{ kind: email, server: localhost, from: a@b.c, to: [a@b.c] }]\npublish:',
    'factory.yaml:10:33: notify[0].server: "localhost" is no host:port',
  ],
  [
    'more processors than there are',
    '{ kind: libvirt }',
    '{ kind: libvirt, cpus: 300 }',
    'factory.yaml:7:31: clouds.lab.cpus: 300 must be at most 256',
  ],
  [
    'an empty path',
    'containerfile: Containerfile',
    'containerfile: Containerfile\n  context: ""',
    'factory.yaml:4:12: image.context: "" is an empty path',
  ],
  [
    'a decimal size',
    'disk:',
    'disk:\n  size: 10 GB',
    'factory.yaml:5:9: disk.size: "10 GB" is no size: write a number and MiB, GiB or TiB, like "10 GiB"',
  ],
  [
    'a size and a config.toml',
    'disk:',
    'disk:\n  size: 10 GiB\n  config: Containerfile',
    'factory.yaml:5:9: disk.size: excludes disk.config: write the size into the config.toml (customizations.filesystem)',
  ],
  [
    'a wrong root file system',
    'disk:',
    'disk:\n  rootfs: ext3',
    'factory.yaml:5:11: disk.rootfs: "ext3" is not one of xfs, ext4, btrfs; did you mean "ext4"?',
  ],
  [
    'a disk builder for the wrong architectures',
    'builder: localhost:5055/lab/bib:latest',
    'builder: { aarch64: localhost:5055/lab/bib:latest }',
    'factory.yaml:5:12: disk.builder: has nothing for x86_64',
  ],
  [
    'a disk builder that is a number',
    'builder: localhost:5055/lab/bib:latest',
    'builder: 5',
    'factory.yaml:5:12: disk.builder: expected a string or a map, found the number 5: put it in quotes, "5"',
  ],
  [
    'a missing Containerfile',
    'containerfile: Containerfile',
    'containerfile: Dockerfile',
    'factory.yaml:3:18: image.containerfile: there is no file DIR/Dockerfile; did you mean "DIR/Containerfile"?',
  ],
  [
    'a directory as Containerfile',
    'containerfile: Containerfile',
    'containerfile: .',
    'factory.yaml:3:18: image.containerfile: DIR is a directory, not a file; did you mean "DIR/Containerfile"?',
  ],
  [
    'a missing secret',
    'name: lab',
    'name: lab\n  secrets: { token: nowhere }',
    'factory.yaml:3:21: image.secrets.token: there is no file DIR/nowhere',
  ],
  [
    'a Containerfile and a finished image',
    'name: lab',
    'name: lab\n  ref: quay.io/a/b:1',
    'factory.yaml:4:18: image.containerfile: goes with a Containerfile, but image.ref names an image that is built already',
  ],
  [
    'neither Containerfile nor image',
    '  containerfile: Containerfile\n',
    '',
    'factory.yaml:2:3: image: needs "containerfile" or "ref"',
  ],
  [
    'no architecture to build',
    'builders:\n  x86_64: [lab]',
    'builders: {}',
    'factory.yaml:8:11: builders: names no architecture, so there is nothing to build',
  ],
  [
    'shell characters in a reference',
    'lab/bib:latest',
    'lab/bib:$(id)',
    'factory.yaml:5:12: disk.builder: the image reference "localhost:5055/lab/bib:$(id)" has the character "$", which no image reference has',
  ],
  [
    'a tag where images are pushed',
    'name: lab',
    'name: lab\n  push: quay.io/a/b:1',
    'factory.yaml:3:9: image.push: the repository "quay.io/a/b:1" has a tag or digest: leave it out, every release writes its own tag',
  ],
  [
    'an image name with upper-case letters',
    'name: lab',
    'name: Lab',
    'factory.yaml:2:9: image.name: "Lab" is no name: use lower-case letters and digits, joined by single dashes, at most 40 characters',
  ],
]

/** What is wrong with a cloud of kind aws that says this, and where it stands in the line. */
const awsMistakes: [name: string, settings: string, message: string][] = [
  [
    'no bucket',
    'method: s3',
    ':8: clouds.lab.bucket is missing: `method: s3` needs the name of a bucket in `region`',
  ],
  [
    'an endpoint without a scheme',
    'endpoint: localhost:4566',
    ':50: clouds.lab.endpoint: "localhost:4566" is no address that begins with http:// or https://',
  ],
  [
    'an organization by its id alone',
    'share: { organizations: [o-a1b2c3d4e5] }',
    ':65: clouds.lab.share.organizations[0]: "o-a1b2c3d4e5" is no ARN of an organization or organizational unit, like arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5',
  ],
  [
    'an account with dashes',
    'share: { accounts: ["1234-5678-9012"] }',
    ':60: clouds.lab.share.accounts[0]: "1234-5678-9012" is no account id, which is twelve digits in quotes',
  ],
  ['an empty profile', 'profile: ""', ':49: clouds.lab.profile: "" is empty'],
  ['no machine at all', 'maxBuilders: 0', ':53: clouds.lab.maxBuilders: 0 must be at least 1'],
  [
    'a name that matches nearly everything',
    'base: { x86_64: { owner: self, name: "*" } }',
    ':77: clouds.lab.base.x86_64.name: "*" must have at least 3 characters',
  ],
  [
    'a base that is named in two ways',
    'base: { x86_64: { ami: ami-0a1b2c3d4e5f60001, ssm: /a } }',
    ':56: clouds.lab.base.x86_64: needs one of: `ami`, `ssm`, or `owner` and `name` together',
  ],
  [
    'no type',
    'instanceTypes: { x86_64: [] }',
    ':65: clouds.lab.instanceTypes.x86_64: names no instance type',
  ],
  [
    'a base of an architecture that EC2 has not',
    'base: { ppc64le: { ami: ami-0a1b2c3d4e5f60001 } }',
    ':48: clouds.lab.base: EC2 has no ppc64le machines',
  ],
  [
    'types of architectures that EC2 has not',
    'instanceTypes: { s390x: [z.large], ppc64le: [p.large] }',
    ':57: clouds.lab.instanceTypes: EC2 has no s390x and no ppc64le machines',
  ],
  [
    'a base of an architecture that nobody has',
    'base: { x86: { ami: ami-0a1b2c3d4e5f60001 } }',
    ':48: clouds.lab.base: unknown key "x86"; known: x86_64, aarch64',
  ],
  [
    'subnets of a region that is not used',
    'copyTo: [eu-west-1], subnets: { us-east-1: [], eu-west-2: [] }',
    ':87: clouds.lab.subnets: the key "eu-west-2" is neither `region` nor in `copyTo`: there are us-east-1, eu-west-1',
  ],
  [
    'security groups of a region that is not used',
    'securityGroups: { us-east-2: [] }',
    ':58: clouds.lab.securityGroups: the key "us-east-2" is neither `region` nor in `copyTo`: there are us-east-1',
  ],
  [
    'a copy to another part of AWS',
    'copyTo: [eu-west-1, cn-north-1]',
    ':60: clouds.lab.copyTo[1]: "cn-north-1" is in aws-cn and us-east-1 in aws: no image can be copied between them',
  ],
  [
    'a copy to a region that is apart',
    'copyTo: [us-iso-east-1]',
    ':49: clouds.lab.copyTo[0]: "us-iso-east-1" is in aws-iso and us-east-1 in aws: no image can be copied between them',
  ],
  [
    'a deprecation that AWS does not take',
    'deprecateAfter: 3651d',
    ':56: clouds.lab.deprecateAfter: "3651d" is no duration up to 3650d, which AWS takes as the most: write a number and h or d, like "90d"',
  ],
  [
    'a deprecation at once',
    'deprecateAfter: 0d',
    ':56: clouds.lab.deprecateAfter: "0d" is no duration up to 3650d, which AWS takes as the most: write a number and h or d, like "90d"',
  ],
  [
    'a deprecation of public images that AWS does not take',
    'share: { public: true }, deprecateAfter: 730d',
    ':81: clouds.lab.deprecateAfter: "730d" is too long for public images, at most 729d: AWS deprecates them after two years',
  ],
  [
    'a tag of ours',
    'tags: { factory:owner: me }',
    ':48: clouds.lab.tags: the key "factory:owner" is no key of a tag: up to 128 letters, digits, spaces and _.:/=+@-, not beginning with aws: or factory:',
  ],
]

describe('a configuration with a mistake', () => {
  it.each(awsMistakes)('is refused on aws: %s', async (_name, settings, message) => {
    const yaml = good.replace('{ kind: libvirt }', `{ kind: aws, region: us-east-1, ${settings} }`)
    expect((await failure(yaml)).message).toBe(`factory.yaml:7${message}`)
  })

  it('is none on aws when it goes as far as AWS does', async () => {
    const settings =
      'copyTo: [eu-west-1], subnets: { eu-west-1: [subnet-0123456789abcdef0] }, deprecateAfter: 3650d'
    const aws = `{ kind: aws, region: us-east-1, ${settings} }`
    const yaml = good.replace('{ kind: libvirt }', aws)
    await using workspace = await makeWorkspace({ 'factory.yaml': yaml, Containerfile: 'FROM scratch\n' })
    await expect(loadConfiguration(undefined, workspace.directory, {})).resolves.toMatchObject({
      clouds: { lab: { deprecateAfter: '3650d' } },
    })
  })

  it.each(mistakes)('is refused: %s', async (_name, from, to, message) => {
    const yaml = good.replace(from, to)
    expect(yaml).not.toBe(good)
    expect((await failure(yaml)).message).toBe(message)
  })

  it('is refused when the YAML is broken, and nothing is guessed from the rest', async () => {
    const { code, message, hint } = await failure('image: [1\ndisk: 2\n')
    expect(code).toBe('yaml-invalid')
    expect(hint).toContain('docs/configuration.md')
    expect(message).toBe(
      'factory.yaml:2:1: YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    )
  })

  it.each([
    ['a tab', 'image:\n\tname: x\n', 'factory.yaml:2:1: YAML: Tabs are not allowed as indentation'],
    [
      'two documents',
      '--- {}\n--- {}\n',
      'factory.yaml:2:1: YAML: a second document starts here; the file must be one',
    ],
    [
      'an unknown alias',
      'image: *nothing\n',
      'factory.yaml:1:1: YAML: Unresolved alias (the anchor must be set before the alias): nothing',
    ],
    ['no map', '- image\n', 'factory.yaml:1:1: expected a map, found a list'],
    ['only a comment', '# nothing\n', 'factory.yaml is empty'],
  ])('is refused: %s', async (_name, yaml, message) => {
    expect((await failure(yaml)).message).toBe(message)
  })

  it('is told of every problem at once, in the order of the file', async () => {
    const { code, message, hint } = await failure(`image:
  name: Lab
  containerfile: nowhere/Containerfile
  secrets: { token: nowhere }
disk:
  builder: quay.io/a/b:\`id\`
  rootfs: zfs
clouds:
  lab: { kind: libvirt, pol: images }
builders:
  amd64: [lab]
  s390x: [lba]
publish:
  - { to: lab, arch: [x86_64], fromat: raw }
`)
    expect(code).toBe('configuration-invalid')
    expect(message).toMatchInlineSnapshot(`
      "9 problems in factory.yaml:
        factory.yaml:2:9: image.name: "Lab" is no name: use lower-case letters and digits, joined by single dashes, at most 40 characters
        factory.yaml:3:18: image.containerfile: there is no file DIR/nowhere/Containerfile
        factory.yaml:4:21: image.secrets.token: there is no file DIR/nowhere
        factory.yaml:6:12: disk.builder: the image reference "quay.io/a/b:\`id\`" has the character "\`", which no image reference has
        factory.yaml:7:11: disk.rootfs: "zfs" is not one of xfs, ext4, btrfs; did you mean "xfs"?
        factory.yaml:9:25: clouds.lab: unknown key "pol"; did you mean "pool"?
        factory.yaml:11:3: builders: unknown architecture "amd64"; did you mean "x86_64"?
        factory.yaml:12:11: builders.s390x: there is no cloud "lba"; did you mean "lab"?
        factory.yaml:14:32: publish[0]: unknown key "fromat"; did you mean "format"?"
    `)
    expect(hint).toContain('Put a Containerfile there')
  })

  it('keeps the code of a problem that stands alone', async () => {
    expect(await failure(good.replace('Containerfile', 'nowhere'))).toMatchObject({
      code: 'containerfile-missing',
      hint: 'Put a Containerfile there, or name yours in image.containerfile.',
    })
    expect((await failure(good.replace('bib:latest', 'bib:a;b'))).code).toBe('reference-invalid')
  })

  it('points to factory init when there is no file', async () => {
    await using workspace = await makeWorkspace()
    const loading = loadConfiguration(undefined, workspace.directory, {})
    await expect(loading).rejects.toMatchObject({
      code: 'configuration-missing',
      message: 'there is no configuration factory.yaml',
      hint: expect.stringContaining('factory init') as string,
    })
  })
})
