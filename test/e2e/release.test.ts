import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { releaseManifest } from '#src/artifact/release-json.ts'
import { registryClient } from '#src/registry/client.ts'
import { commandContext } from '#src/commands/clouds.ts'
import { ensureLab } from '#test/lab/lab.ts'
import { virsh } from '#test/lab/libvirt.ts'
import {
  type AwsForWorkspace,
  amisOf,
  awsArchitectures,
  awsRegions,
  buildersOf,
  expectOnlyAmis,
  openAws,
} from './aws.ts'
import { bootByHand } from './boot-by-hand.ts'
import { type GlanceForWorkspace, openGlance } from './glance.ts'
import { type IbmForWorkspace, ibmRegions, openIbm } from './ibm.ts'
import { type OtherHypervisor, openOtherHypervisor } from './other-hypervisor.ts'
import { type StandingHosts, openStandingHosts, standingArchitectures } from './standing-hosts.ts'
import { expectOnlyImages, killAgainAndAgain } from './kills.ts'
import { type FactoryRun, type LabFile, type Workspace, openWorkspace } from './factory.ts'

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

/** Enough to meet machines that start, builds and transfers; a release takes several times as long. */
const chaos = { kills: 5, longestMs: 100_000 }
/** Until everything else is done. */
const failing = 'us-east'

describe('one button, four architectures, five clouds, pressed again after each of five kills', () => {
  let aws: AwsForWorkspace
  let hosts: StandingHosts
  let elsewhere: OtherHypervisor
  let ibm: IbmForWorkspace
  let glance: GlanceForWorkspace
  let workspace: Workspace
  let partial: FactoryRun
  let run: FactoryRun

  beforeAll(async () => {
    aws = await openAws()
    hosts = await openStandingHosts()
    elsewhere = await openOtherHypervisor()
    ibm = await openIbm()
    glance = await openGlance()
    const sites = [aws, hosts, elsewhere, ibm, glance]
    const configure = (file: LabFile) => {
      for (const site of sites) site.configure(file)
    }
    workspace = await openWorkspace(configure, aws.env)
    const heal = ibm.failIn(failing)
    await killAgainAndAgain(workspace, chaos, [], ({ exitCode, stderr }) =>
      expect(exitCode, `it was done before its kill: ${stderr}`).toBe(137),
    )
    partial = await workspace.release([])
    heal()
    run = await workspace.release([])
  })
  afterAll(async () => {
    for (const opened of [workspace, glance, ibm, elsewhere, hosts, aws]) {
      await opened?.[Symbol.asyncDispose]()
    }
  })

  const images = async (cloud: string) => {
    const { stdout } = await workspace.factory('images', '--json')
    const all = JSON.parse(stdout) as Record<string, string | number>[]
    return all.filter((image) => image['cloud'] === cloud)
  }
  const finished = () => run.events.find((event) => event.type === 'release-finished')
  const started = ({ events }: FactoryRun) =>
    events.flatMap((event) => (event.type === 'step-started' ? [event] : []))

  test('is partial while one region of IBM Cloud fails, and says which and why', () => {
    expect(partial.stderr).toBe('')
    expect(partial.exitCode).toBe(3)
    const failed = partial.events.flatMap((event) => (event.type === 'step-failed' ? [event] : []))
    expect(failed).toMatchObject([{ arch: 's390x', step: 'publish', target: `ibm/${failing}` }])
    expect(failed[0]!.error.hint).toBeTruthy()
  })

  test('pressed once more, fills in that region and nothing else', async () => {
    expect(run.stderr).toBe('')
    expect(run.exitCode, JSON.stringify(run.events.filter(({ type }) => type === 'step-failed'))).toBe(0)
    const done = started(run).map(({ arch, step, target }) => `${arch} ${step} ${target}`)
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

  test('leaves four images in the lab that booted and said who they are', async () => {
    const listed = await images('lab')
    expect(listed.map(({ arch }) => arch).toSorted()).toEqual(architectureNames.toSorted())
    for (const image of listed) {
      expect(image).toMatchObject({ verified: 'passed', state: 'candidate', kind: 'libvirt', cloud: 'lab' })
    }
  })

  test('makes an AMI of each image that AWS takes, in both regions; where machines can be reached it was booted', async () => {
    const listed = await images('aws')
    const places = listed.map(({ arch, region, verified }) => `${arch} ${region} ${verified}`)
    expect(places.toSorted()).toEqual(
      awsArchitectures
        .flatMap((arch) => [`${arch} ${awsRegions.copy} not verified`, `${arch} ${awsRegions.main} passed`])
        .toSorted(),
    )
    const amis = await amisOf(String(finished()?.manifest))
    for (const { arch, region, id } of listed) expect(amis[String(arch)]?.[String(region)]).toBe(id)
    const booted = awsArchitectures.map((arch) => amis[arch]?.[awsRegions.main])
    expect(aws.host.bootedAmis).toEqual(expect.arrayContaining(booted))
  })

  test('sends two of them to a second hypervisor, too, byte for byte', async () => {
    const listed = await images('elsewhere')
    expect(listed.map(({ arch }) => arch).toSorted()).toEqual([...standingArchitectures].toSorted())
    for (const { name, sha256, verified } of listed) {
      expect(verified).toBe('not verified')
      expect(await fileHash(elsewhere.path(String(name)))).toBe(sha256)
    }
    const names = listed.flatMap(({ name }) => [name, `${name}.json`])
    expect(await elsewhere.volumes()).toEqual(names.toSorted())
  })

  test('took one machine for each build, and leaves exactly the images', async () => {
    expect(await expectOnlyImages(workspace, architectureNames)).toBe(1)
    await expectOnlyAmis(
      aws,
      (await images('aws')).map(({ id }) => String(id)),
    )
    expect((await buildersOf(aws)).toSorted()).toEqual([...awsArchitectures].toSorted())
    await hosts.expectEmpty()
  })

  test('publishes the very bytes that the builder made', async () => {
    for (const image of await images('lab')) {
      const hash = await virshHash(String(image['name']))
      expect(hash, String(image['name'])).toBe(image['sha256'])
    }
  })

  test('writes an index of the four pushed images and a release.json that names what was made and what it cost', async () => {
    const manifest = releaseManifest.parse(JSON.parse(await readFile(String(finished()?.manifest), 'utf8')))
    const resolved = await registryClient().resolve(
      `localhost:5055/${workspace.name}/image:${finished()?.release}`,
      commandContext(),
    )
    for (const arch of architectureNames) {
      const block = manifest.architectures[arch]?.['x-factory']
      expect(block?.complete).toBe(true)
      const machines = block?.cost?.machines.filter(({ cloud }) => cloud === 'aws') ?? []
      expect(machines.length > 0, arch).toBe(awsArchitectures.includes(arch))
      for (const { seconds, rates } of machines) {
        expect(seconds).toBeGreaterThan(10)
        expect(rates.map(({ what }) => what)).toEqual([
          expect.stringMatching(/^m7[ig]\.xlarge$/),
          expect.stringMatching(/^a volume of \d+ GiB$/),
        ])
        for (const rate of rates) expect(rate.amount?.amount, rate.what).toBeGreaterThan(0)
      }
      expect(block?.['oci-image']?.['digest-ref']).toBe(
        `localhost:5055/${workspace.name}/image@${resolved.manifests[arch]}`,
      )
    }
  })

  test('again: nothing changed, and why; nothing is rented', async () => {
    const again = await workspace.release([])
    expect(again.exitCode).toBe(0)
    expect(again.events.map(({ type }) => type)).toEqual(['nothing-changed'])
    expect(again.events[0]).toMatchObject({ why: expect.stringMatching(/every input is the one/) })
  })

  test('each image in libvirt starts with plain virsh, without the factory, and says its release on the console', async () => {
    const said = await Promise.all(
      (await images('lab')).map((image) =>
        bootByHand({
          arch: image['arch'] as never,
          volume: String(image['name']),
          format: String(image['format']),
        }),
      ),
    )
    for (const text of said) expect(text).toContain(`RELEASE=${finished()?.release}`)
  })

  test('a changed Containerfile is planned again, with the reason', async () => {
    await appendFile(workspace.containerfile, '\nRUN true\n')
    const { stdout, exitCode } = await workspace.factory('plan')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('the Containerfile changed')
  })
})

async function virshHash(volume: string): Promise<string> {
  const { stdout: path } = await virsh(['vol-path', volume, '--pool', 'images'])
  return await fileHash(path.trim())
}

async function fileHash(path: string, tool = 'sha256sum'): Promise<string> {
  const { stdout } = await execa(tool, [path])
  return stdout.split(' ')[0] ?? ''
}
