import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
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
import { expectOnlyImages, killAgainAndAgain } from './kills.ts'
import { type FactoryRun, type Workspace, openWorkspace } from './factory.ts'

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

/** Enough to meet machines that start, builds and transfers; a release takes several times as long. */
const chaos = { kills: 5, longestMs: 60_000 }

describe('one button, four architectures, two clouds, pressed again after each of five kills', () => {
  let aws: AwsForWorkspace
  let workspace: Workspace
  let run: FactoryRun

  beforeAll(async () => {
    aws = await openAws()
    workspace = await openWorkspace(aws.configure, aws.env)
    await killAgainAndAgain(workspace, chaos, [], ({ exitCode, stderr }) =>
      expect(exitCode, `it was done before its kill: ${stderr}`).toBe(137),
    )
    run = await workspace.release([])
  })
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]()
    await aws[Symbol.asyncDispose]()
  })

  const images = async (kind: string) => {
    const { stdout } = await workspace.factory('images', '--json')
    const all = JSON.parse(stdout) as Record<string, string | number>[]
    return all.filter((image) => image['kind'] === kind)
  }
  const finished = () => run.events.find((event) => event.type === 'release-finished')

  test('ends with exit code 0 and four images in libvirt that booted and said who they are', async () => {
    expect(run.stderr).toBe('')
    expect(run.exitCode, JSON.stringify(run.events.filter(({ type }) => type === 'step-failed'))).toBe(0)
    const listed = await images('libvirt')
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

  test('took one machine for each build, and leaves exactly the images', async () => {
    expect(await expectOnlyImages(workspace, architectureNames)).toBe(1)
    await expectOnlyAmis(
      aws,
      (await images('aws')).map(({ id }) => String(id)),
    )
    expect((await buildersOf(aws)).toSorted()).toEqual([...awsArchitectures].toSorted())
  })

  test('publishes the very bytes that the builder made', async () => {
    for (const image of await images('libvirt')) {
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
      (await images('libvirt')).map((image) =>
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
  const { execa } = await import('execa')
  const { stdout } = await execa('sha256sum', [join(path.trim())])
  return stdout.split(' ')[0] ?? ''
}
