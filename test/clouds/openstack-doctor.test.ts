import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Finding } from '#clouds/types.ts'
import { testContext } from '#test/contract/cloud.ts'
import { openstackScene } from './openstack-scene.ts'

const scene = openstackScene()

async function findings(change: object = {}): Promise<Finding[]> {
  const cloud = await scene.fixture.open(change)
  const all: Finding[] = []
  for await (const each of cloud.doctor(testContext())) all.push(each)
  return all
}

const told = (all: readonly Finding[]) =>
  all.map(({ severity, subject, message }) => `${severity} ${subject}: ${message}`)

test('finds nothing wrong where all is well, and changes nothing', async () => {
  const all = await findings({ floatingNetwork: 'public', zones: ['nova'], volumeType: 'ceph' })
  expect(all.filter(({ severity }) => severity !== 'ok')).toEqual([])
  expect(told(all)).toEqual([
    expect.stringMatching(/^ok token: project factory as factory \(.*member.*\), by the cloud test of /),
    'ok clock: agrees with that of Keystone',
    'ok image formats in RegionOne: raw, qcow2',
    'ok ways to Glance in RegionOne: put is used; there are: put, glance-direct, web-download',
    'ok quota of images in RegionOne: no limit that Glance tells of',
    expect.stringMatching(/^ok base image for x86_64: base-/),
    'ok flavors for x86_64: m1.large (4 processors, 8192 MiB, 80 GiB)',
    'ok availability zones: nova',
    'ok volumes: of the type ceph',
    expect.stringMatching(/^ok networks: builders \(/),
    'ok floating IPs: from public',
    'ok security groups: ssh let SSH in',
    'ok quota of machines: 10 servers free, 1 needed; 40 processors free, 4 needed; 200000 MiB of memory free, 8192 needed',
    'ok quota of volumes: 10 volumes free, 1 needed; 1000 GiB free, 1 needed',
    'ok quota of floating IPs: 5 floating IPs free, 1 needed',
  ])
  const changing = scene.double.requests.filter(
    ({ method, path }) => method !== 'GET' && !path.endsWith('/auth/tokens'),
  )
  expect(changing).toEqual([])
})

test('names everything that is wrong in one run, each with what to do', async () => {
  const { settings } = scene.double
  settings.quotas = { instances: 0, cores: 4, ramMib: -1, volumes: 0, gigabytes: -1, floatingips: 0 }
  const all = await findings({
    base: { x86_64: { image: 'nothing' }, ppc64le: { image: scene.fixture.baseImage } },
    flavors: { x86_64: ['m1.large'], ppc64le: ['huge'] },
    zones: ['mars'],
    volumeType: 'slow',
    networks: ['nowhere'],
    floatingNetwork: 'builders',
    securityGroups: ['ssh', 'none'],
    visibility: 'public',
  })
  const wrong = all.filter(({ severity }) => severity !== 'ok')
  expect(told(wrong)).toEqual(
    [
      expect.stringContaining('warning public images in RegionOne: most clouds let only administrators'),
      expect.stringContaining('error base image for x86_64: clouds.test.base.x86_64 is nothing'),
      expect.stringContaining('error base image for ppc64le'),
      expect.stringContaining('error flavors for ppc64le: clouds.test.flavors.ppc64le names huge'),
      'error availability zones: RegionOne has no mars; there are: nova, power',
      'error volumes: there is no type slow; there are: ceph, fast',
      expect.stringContaining('error networks: clouds.test.networks names nowhere'),
      expect.stringContaining('error floating IPs: clouds.test.floatingNetwork names builders'),
      'error security groups: there is no none; there are: default, ssh',
      expect.stringContaining(
        'error quota of machines: 0 servers free, 1 needed; 4 processors free, 4 needed; any number of MiB',
      ),
      expect.stringContaining('error quota of volumes: 0 volumes free'),
      expect.stringContaining('error quota of floating IPs: 0 floating IPs free'),
    ].toSorted((a, b) => order(wrong, a) - order(wrong, b)),
  )
  for (const { hint, subject } of wrong) expect(hint, subject).toMatch(/\w/)
})

test('warns of little room, of groups that let nobody in and of disks that are too small', async () => {
  scene.double.settings.quotas = {
    instances: 1,
    cores: 40,
    ramMib: -1,
    volumes: 10,
    gigabytes: 1000,
    floatingips: 5,
  }
  const all = await findings({
    securityGroups: [],
    flavors: { x86_64: ['m1.large', 'd1.volume'], aarch64: ['m1.large'] },
  })
  expect(told(all.filter(({ severity }) => severity !== 'ok'))).toEqual([
    expect.stringContaining(
      'warning flavors for x86_64: m1.large (4 processors, 8192 MiB, 80 GiB), d1.volume',
    ),
    'warning security groups: no rule of default lets SSH in from outside the group',
    expect.stringContaining('warning quota of machines: 1 servers free, 2 needed'),
  ])
})

test('looks only at images where no machines are rented', async () => {
  const all = await findings({ base: {}, flavors: {} })
  expect(all.map(({ subject }) => subject)).toEqual([
    'token',
    'clock',
    'image formats in RegionOne',
    'ways to Glance in RegionOne',
    'quota of images in RegionOne',
  ])
  expect(
    scene.double.requests.filter(({ service }) => ['compute', 'volume', 'network'].includes(service)),
  ).toEqual([])
})

test('goes on when one service fails', async () => {
  scene.double.inject({
    service: 'network',
    effect: {
      kind: 'refused',
      isDone: false,
      status: 403,
      json: { NeutronError: { type: 'PolicyNotAuthorized', message: 'not for you' } },
    },
  })
  const all = await findings()
  expect(told(all)).toContainEqual(
    expect.stringContaining('error networks: looking at networks in RegionOne failed: 403 not for you'),
  )
  expect(told(all)).toContainEqual(expect.stringContaining('ok quota of machines'))
})

test('says when nobody lets us in, and when a role may only look', async () => {
  const { fixture, stack, double } = scene
  await stack.keystone.makeUser('looker', 'looks-only', stack.projectId, ['reader'])
  const auth = {
    auth_url: double.authUrl,
    username: 'looker',
    password: 'looks-only',
    project_name: 'factory',
    user_domain_name: 'Default',
    project_domain_name: 'Default',
  }
  const file = join(fixture.directory, 'others.yaml')
  const clouds = { looker: { auth }, wrong: { auth: { ...auth, password: 'no' } } }
  await writeFile(file, stringify({ clouds }))
  await chmod(file, 0o644)
  const looker = await findings({ cloud: 'looker', cloudsFile: file })
  expect(told(looker)).toContainEqual(
    expect.stringMatching(/^error token: project factory as looker .*may only look$/),
  )
  expect(looker).toContainEqual(
    expect.objectContaining({ severity: 'warning', subject: file, hint: `chmod 600 ${file}` }),
  )
  const wrong = await findings({ cloud: 'wrong', cloudsFile: file })
  expect(wrong).toMatchObject([
    { severity: 'error', subject: 'token', message: expect.stringContaining('does not accept') as string },
  ])
})

test('says when a region or a service is not in the catalogue', async () => {
  const all = await findings({ region: 'Elsewhere' })
  expect(told(all)).toContainEqual(
    expect.stringContaining('error image formats in Elsewhere: the catalogue for the cloud test'),
  )
})

/** Where a finding stands; what is expected and not there goes last. */
function order(all: readonly Finding[], expected: unknown): number {
  const lines = told(all)
  const index = lines.findIndex((line) =>
    typeof expected === 'string'
      ? line === expected
      : (expected as { asymmetricMatch(text: string): boolean }).asymmetricMatch(line),
  )
  return index === -1 ? lines.length : index
}
