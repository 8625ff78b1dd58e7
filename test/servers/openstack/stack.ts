import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import {
  type GlanceName,
  type StackOptions,
  configureGlance,
  configureKeystone,
  servicePassword,
} from './configuration.ts'
import { type Keystone, administer } from './keystone.ts'
import { inTree, startService } from './process.ts'
import { copyTemplate, openstackTree } from './tree.ts'

/** Debian's own Keystone and Glance with SQLite, in processes of their own. */
export interface Stack extends AsyncDisposable {
  readonly keystone: Keystone
  /** Without a version at its end, as many catalogues have it. */
  readonly glanceUrl: string
  /** The one of another region, where it was asked for. */
  readonly secondGlanceUrl: string | undefined
  /** Of the user `factory` of the project `factory`, who is a member there. */
  readonly password: string
  readonly projectId: string
  /** Its logs and stores. */
  readonly directory: string
}

export const password = 'factory-of-a-test'

/** Starts both on free loopback ports and returns when they answer; the first time makes their tree, in about two minutes. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  await using started = new AsyncDisposableStack()
  const tree = await openstackTree()
  const directory = await mkdtemp(join(tmpdir(), 'openstack-'))
  started.defer(() => removeUnlessBroken(directory))
  await copyTemplate(tree, directory)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/v3`
  await configureKeystone(directory, options)
  const glance = async (name: GlanceName): Promise<AsyncDisposable & { url: string }> => {
    await configureGlance(directory, name, url, options)
    const own = await freePort()
    const env = { OS_GLANCE_CONFIG_DIR: `${inTree}/${name}` }
    const wsgiFile = '/usr/bin/glance-wsgi-api'
    const service = await startService({ tree, directory, name, port: own, wsgiFile, env, isWaiting: true })
    return { url: `http://127.0.0.1:${own}`, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() }
  }
  const services = await Promise.all([
    startService({
      tree,
      directory,
      name: 'keystone',
      port,
      wsgiFile: '/usr/bin/keystone-wsgi-public',
      isWaiting: false,
      env: { OS_KEYSTONE_CONFIG_DIR: inTree, OS_KEYSTONE_CONFIG_FILES: `${inTree}/keystone.conf` },
    }),
    glance('glance'),
    options.hasSecondGlance === true ? glance('glance-two') : undefined,
  ])
  for (const service of services) started.use(service)
  const [, first, second] = services
  const keystone = await administer(url)
  // Glance itself looks for Keystone there.
  await keystone.makeEndpoint('identity', 'RegionOne', url, 'internal')
  await keystone.makeUser('glance', servicePassword, await keystone.makeProject('service'), ['admin'])
  const projectId = await keystone.makeProject('factory')
  await keystone.makeUser('factory', password, projectId, ['member'])
  const held = started.move()
  return {
    keystone,
    glanceUrl: first.url,
    secondGlanceUrl: second?.url,
    password,
    projectId,
    directory,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** The logs stay when a service itself broke. */
async function removeUnlessBroken(directory: string): Promise<void> {
  const logs = ['keystone.log', 'glance/glance.log', 'glance-two/glance.log']
  const said = await Promise.all(logs.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')))
  if (!said.some((text) => text.includes(' ERROR '))) await rm(directory, { recursive: true })
}
