import { expect, test } from 'vitest'
import { z } from 'zod'
import { openstackConfiguration } from '#clouds/openstack/config.ts'

const least = { kind: 'openstack', region: 'RegionOne' }

function problems(change: object): string[] {
  const read = openstackConfiguration.safeParse({ ...least, ...change })
  return read.success ? [] : read.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`)
}

test('needs a region and nothing else', () => {
  expect(openstackConfiguration.parse(least)).toMatchObject({
    method: 'put',
    visibility: 'private',
    dataDisk: 'volume',
    distro: 'fedora',
    maxBuilders: 4,
  })
  expect(problems({ region: undefined })).toHaveLength(1)
})

test.each([
  [{ method: 'web-download' }, 'downloadFrom is missing'],
  [{ shareWith: ['a'.repeat(32)] }, 'shareWith needs `visibility: shared`'],
  [{ visibility: 'shared', shareWith: ['factory'] }, 'shareWith.0 is no id of a project'],
  [{ cloudsFile: '/etc/clouds.yaml' }, 'cloud is missing'],
  [{ cloudsFile: 'clouds.yaml', cloud: 'a' }, 'cloudsFile must be an absolute path'],
  [{ copyTo: ['RegionOne'] }, 'copyTo.0 names RegionOne a second time'],
  [{ copyTo: ['Two', 'Two'] }, 'copyTo.1 names Two a second time'],
  [{ rootVolume: '500 MiB' }, 'rootVolume must be a size of at least 1 GiB'],
  [{ properties: { factory_owner: 'x' } }, 'properties'],
  [{ properties: { visibility: 'public' } }, 'properties'],
  [{ properties: { hw_rng_model: 'v'.repeat(256) } }, 'properties.hw_rng_model'],
  [{ flavors: { x86_64: [] } }, 'flavors.x86_64 names no flavor'],
  [{ flavors: { riscv64: ['m1'] } }, 'flavors'],
  [{ networks: [' x'] }, 'networks.0 is no name or id'],
  [{ password: 'secret' }, 'password'],
])('refuses %j', (change, problem) => {
  const found = problems(change)
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(problem)
})

test('describes every key for the documentation', () => {
  const schema = z.toJSONSchema(openstackConfiguration, { io: 'input' }) as {
    properties: Record<string, { description?: string }>
  }
  for (const [key, { description }] of Object.entries(schema.properties))
    expect(description, key).toMatch(/\w/)
})
