import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { ensureLab } from '#test/lab/lab.ts'
import { type FactoryRun, type LabFile, type Workspace, openWorkspace } from './factory.ts'
import { type GlanceForWorkspace, openGlance } from './glance.ts'
import { type IbmForWorkspace, ibmRegions, openIbm } from './ibm.ts'
import { expectOnlyImages, unnumbered, volumesOf } from './kills.ts'
import { type OtherHypervisor, openOtherHypervisor } from './other-hypervisor.ts'
import { type StandingHosts, openStandingHosts, standingArchitectures } from './standing-hosts.ts'

/*
 * Asked for by `npm run test:clouds`: beside the release of release.test.ts it does not fit into the half hour that every
 * test run may take.
 */
beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

/** Until everything else is done. */
const failing = 'us-east'

describe('one button, four architectures: two build on hosts that stand there, images go to IBM Cloud, Glance and two hypervisors', () => {
  let hosts: StandingHosts
  let elsewhere: OtherHypervisor
  let ibm: IbmForWorkspace
  let glance: GlanceForWorkspace
  let workspace: Workspace
  let partial: FactoryRun
  let run: FactoryRun

  beforeAll(async () => {
    hosts = await openStandingHosts()
    elsewhere = await openOtherHypervisor()
    ibm = await openIbm()
    glance = await openGlance()
    const configure = (file: LabFile) => {
      for (const site of [hosts, elsewhere, ibm, glance]) site.configure(file)
    }
    workspace = await openWorkspace(configure)
    const heal = ibm.failIn(failing)
    partial = await workspace.release([])
    heal()
    run = await workspace.release([])
  })
  afterAll(async () => {
    for (const opened of [workspace, glance, ibm, elsewhere, hosts]) await opened?.[Symbol.asyncDispose]()
  })

  const images = async (cloud: string) => {
    const { stdout } = await workspace.factory('images', '--json')
    const all = JSON.parse(stdout) as Record<string, string | number>[]
    return all.filter((image) => image['cloud'] === cloud)
  }

  test('is partial while one region of IBM Cloud fails, and says which and why', () => {
    expect(partial.stderr).toMatch(/^What is missing is made by: .*npx factory release/)
    const failed = partial.events.flatMap((event) => (event.type === 'step-failed' ? [event] : []))
    expect(partial.exitCode, JSON.stringify(failed)).toBe(3)
    expect(failed).toMatchObject([{ arch: 's390x', step: 'publish', target: `ibm/${failing}` }])
    expect(failed[0]!.error.hint).toBeTruthy()
  })

  test('pressed once more, fills in that region and nothing else', async () => {
    expect(run.stderr).toBe('')
    expect(run.exitCode, JSON.stringify(run.events.filter(({ type }) => type === 'step-failed'))).toBe(0)
    const started = run.events.flatMap((event) => (event.type === 'step-started' ? [event] : []))
    const done = started.map(({ arch, step, target }) => `${arch} ${step} ${target}`)
    expect(done).toEqual([`s390x publish ibm/${failing}`])
    const listed = await images('ibm')
    expect(listed.map(({ region }) => region).toSorted()).toEqual([...ibmRegions].toSorted())
    for (const { arch, id, sha256, verified } of listed) {
      expect(`${arch} ${verified}`).toBe('s390x not verified')
      expect(ibm.sha256(String(id))).toBe(sha256)
    }
    await ibm.expectOnly(listed.map(({ id }) => String(id)))
  })

  test('makes one image of ppc64le in Glance, which counted the same bytes', async () => {
    const listed = await images('openstack')
    expect(listed).toMatchObject([{ arch: 'ppc64le', format: 'raw', verified: 'not verified' }])
    const { id, sizeBytes, sha256 } = listed[0]!
    expect(await glance.images(workspace.name)).toEqual([id])
    const described = await glance.describe(String(id))
    expect(described).toMatchObject({ architecture: 'ppc64le', disk_format: 'raw', size: sizeBytes })
    const file = join(workspace.state, 'store', 'sha256', String(sha256))
    expect(described['os_hash_value']).toBe(await fileHash(file, 'sha512sum'))
  })

  test('leaves four images on the first hypervisor that booted and said who they are', async () => {
    const listed = await images('lab')
    expect(listed.map(({ arch }) => arch).toSorted()).toEqual(architectureNames.toSorted())
    for (const image of listed) expect(image).toMatchObject({ verified: 'passed', state: 'candidate' })
  })

  test('sends two of them to a second hypervisor, too, byte for byte', async () => {
    const listed = await images('elsewhere')
    expect(listed.map(({ arch }) => arch).toSorted()).toEqual([...standingArchitectures].toSorted())
    for (const { name, sha256, verified } of listed) {
      expect(verified).toBe('not verified')
      expect(await fileHash(elsewhere.path(String(name)))).toBe(sha256)
    }
    const names = listed.flatMap(({ name }) => volumesOf(String(name), 'candidate'))
    expect(unnumbered(await elsewhere.volumes())).toEqual(names.toSorted())
  })

  test('took one machine for each build, and leaves the hosts as they were', async () => {
    expect(await expectOnlyImages(workspace, architectureNames)).toBe(1)
    await hosts.expectEmpty()
  })

  test('factory doctor looks at all of the clouds in one run', async () => {
    const { stdout } = await workspace.factory('doctor', '--json')
    const findings = JSON.parse(stdout) as { cloud?: string; severity: string }[]
    const looked = new Set(findings.flatMap(({ cloud }) => cloud ?? []))
    const here = ['here', 'inputs']
    expect([...looked].filter((cloud) => !here.includes(cloud)).toSorted()).toEqual([
      'elsewhere',
      'hosts',
      'ibm',
      'lab',
      'openstack',
    ])
  })
})

async function fileHash(path: string, tool = 'sha256sum'): Promise<string> {
  const { stdout } = await execa(tool, [path])
  return stdout.split(' ')[0] ?? ''
}
