import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { stringify } from 'yaml'
import { type OpenstackConfiguration, openstackConfiguration } from '#clouds/openstack/config.ts'
import { imageName } from '#clouds/openstack/images/image-properties.ts'
import { createOpenstackCloud } from '#clouds/openstack/index.ts'
import type { Cloud, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { makeAccess } from '#src/builder/keys.ts'
import { sparse } from '#test/builder/bring.ts'
import type { CloudFixture } from '#test/contract/cloud.ts'
import { tokenOf } from '#test/servers/openstack/keystone.ts'
import { password, type Stack } from '#test/servers/openstack/stack.ts'
import { type Cloud as Double, region } from '#test/servers/openstack-double/double.ts'
import { eventually } from '#test/servers/sshd.ts'

const MiB = 1024 ** 2
const KiB = 1024
const gibibyte = 1024 ** 3
const tokenKeptMs = 10 * 60_000

/** An OpenStack cloud on the real Keystone and Glance and the double of the rest. */
export interface OpenstackFixture extends CloudFixture {
  readonly directory: string
  readonly stateDirectory: string
  readonly baseImage: string
  configure(change?: object): OpenstackConfiguration
  /** `change` goes over the configuration as it is written. */
  open(change?: object): Promise<Cloud>
  makeArtifact(name: string, sizeBytes: number, runs: [number, Buffer][]): Promise<Artifact>
  /** Kills a publish, which runs in a process of its own, when its content is on its way or something else has happened. */
  killPublish(artifact: Artifact, key: ImageKey, when?: () => Promise<boolean>): Promise<void>
  /** The content of an image, as the user of the factory gets it. */
  content(id: string): Promise<Buffer>
  /** A call of Glance as the user of the factory. */
  glance(
    path: string,
    options?: { method?: string; json?: unknown; body?: string | Buffer<ArrayBuffer> },
  ): Promise<Record<string, unknown>>
}

export async function createOpenstackFixture(
  stack: Stack,
  double: Double,
  changes: object = {},
): Promise<OpenstackFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-openstack-'))
  const stateDirectory = join(directory, 'state')
  await mkdir(stateDirectory)
  const owner = `t-${randomBytes(4).toString('hex')}`
  const cloudsFile = join(directory, 'clouds.yaml')
  await writeFile(cloudsFile, cloudsYaml(double.authUrl), { mode: 0o600 })
  const { authorizedKey, hostPublicKey, hostPrivateKeyFile } = await makeAccess(join(directory, 'keys'))

  const userToken = createUserToken(stack)
  const glance: OpenstackFixture['glance'] = async (path, { method, json, body } = {}) => {
    const token = await userToken()
    const answer = await fetch(`${stack.glanceUrl}/v2${path}`, {
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: {
        'x-auth-token': token,
        'content-type': body === undefined ? 'application/json' : 'application/octet-stream',
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }
  const content: OpenstackFixture['content'] = async (id) => {
    const token = await userToken()
    const answer = await fetch(`${stack.glanceUrl}/v2/images/${id}/file`, {
      headers: { 'x-auth-token': token },
    })
    if (!answer.ok) throw new Error(`content of ${id}: ${answer.status} ${await answer.text()}`)
    return Buffer.from(await answer.arrayBuffer())
  }
  const makeArtifact: OpenstackFixture['makeArtifact'] = async (name, sizeBytes, runs) => {
    const path = await sparse(join(directory, name), sizeBytes, runs)
    const content = createHash('sha256').update(await readFile(path))
    const contentBytes = (await stat(path)).blocks * 512
    const sha256 = content.digest('hex')
    return { arch: 'x86_64', format: 'raw', path, sha256, sizeBytes, virtualBytes: sizeBytes, contentBytes }
  }
  const baseImage = await smallImage(glance, `base-${owner}`)
  const written = {
    kind: 'openstack',
    region,
    cloud: 'test',
    cloudsFile,
    base: { x86_64: { image: `base-${owner}`, user: 'fedora' } },
    flavors: { x86_64: ['m1.large'] },
    networks: ['builders'],
    securityGroups: ['ssh'],
    ...changes,
  }
  const configure = (change: object = {}) => openstackConfiguration.parse({ ...written, ...change })
  return {
    owner,
    directory,
    stateDirectory,
    baseImage,
    configure,
    glance,
    content,
    makeArtifact,
    artifact: await makeArtifact('disk.raw', 80 * MiB + 512, [
      [0, randomBytes(3 * MiB)],
      [60 * MiB + 4 * KiB, randomBytes(2 * MiB)],
      [80 * MiB, randomBytes(512)],
    ]),
    spec: {
      arch: 'x86_64',
      purpose: 'build',
      dataBytes: 20 * gibibyte,
      leaseMs: 600_000,
      access: { authorizedKey, hostPublicKey, hostPrivateKeyFile },
    },
    open: (change = {}) =>
      createOpenstackCloud('test', configure(change), { owner, stateDirectory, pageSize: 2 }),
    async plantForeign(key) {
      await smallImage(glance, imageName(key))
    },
    async killPublish(artifact, key, when) {
      const uploads = () =>
        double.requests.filter(({ method, path }) => method === 'PUT' && path.endsWith('/file'))
      const before = uploads().length
      const settings = JSON.stringify([{ configuration: configure(), owner, stateDirectory }, artifact, key])
      const program = new URL('openstack-publish-run.ts', import.meta.url).pathname
      const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'factory-tests-compiled') }
      const publishing = execa(process.execPath, [program, settings], { reject: false, env })
      const onItsWay = () => Promise.resolve(uploads().length > before)
      const ended = publishing.then(({ stderr }) => Promise.reject(new Error(`it ended before: ${stderr}`)))
      await Promise.race([eventually('content on its way', when ?? onItsWay), ended])
      ended.catch(() => {})
      publishing.kill('SIGKILL')
      const { signal, stderr } = await publishing
      if (signal !== 'SIGKILL') throw new Error(`the kill came too late: ${stderr}`)
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** One for many calls: making a token and Glance's looking at it cost twenty times what a call does. */
function createUserToken({ keystone }: Stack): () => Promise<string> {
  let made: { token: Promise<string>; until: number } | undefined
  return () => {
    if (!made || made.until < Date.now()) {
      made = {
        token: tokenOf(keystone.url, 'factory', password, 'factory'),
        until: Date.now() + tokenKeptMs,
      }
    }
    return made.token
  }
}

function cloudsYaml(authUrl: string): string {
  const auth = {
    auth_url: authUrl,
    username: 'factory',
    password,
    project_name: 'factory',
    user_domain_name: 'Default',
    project_domain_name: 'Default',
  }
  return stringify({ clouds: { test: { auth, region_name: region } } })
}

/** An active image that the factory has not made. */
async function smallImage(glance: OpenstackFixture['glance'], name: string): Promise<string> {
  const json = { name, disk_format: 'raw', container_format: 'bare', architecture: 'x86_64' }
  const { id } = await glance('/images', { json })
  await glance(`/images/${String(id)}/file`, { method: 'PUT', body: 'no disk' })
  return String(id)
}
