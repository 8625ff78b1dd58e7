import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { type StackOptions, configure, servicePassword } from './configuration.ts'
import { type Keystone, administer } from './keystone.ts'
import { inTree, startService } from './process.ts'
import { copyTemplate, openstackTree } from './tree.ts'

/** Debian's own Keystone and Glance with SQLite, in processes of their own. */
export interface Stack extends AsyncDisposable {
  readonly keystone: Keystone
  /** Without a version at its end, as many catalogues have it. */
  readonly glanceUrl: string
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
  const [keystonePort, glancePort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${keystonePort}/v3`
  await configure(directory, url, options)
  const common = { tree, directory }
  const [keystoneService, glanceService] = await Promise.all([
    startService({
      ...common,
      name: 'keystone',
      port: keystonePort,
      wsgiFile: '/usr/bin/keystone-wsgi-public',
      env: { OS_KEYSTONE_CONFIG_DIR: inTree, OS_KEYSTONE_CONFIG_FILES: `${inTree}/keystone.conf` },
    }),
    startService({
      ...common,
      name: 'glance',
      port: glancePort,
      wsgiFile: '/usr/bin/glance-wsgi-api',
      env: { OS_GLANCE_CONFIG_DIR: `${inTree}/glance` },
    }),
  ])
  started.use(keystoneService)
  started.use(glanceService)
  const keystone = await administer(url)
  // Glance itself looks for Keystone there.
  await keystone.makeEndpoint('identity', 'RegionOne', url, 'internal')
  await keystone.makeUser('glance', servicePassword, await keystone.makeProject('service'), ['admin'])
  const projectId = await keystone.makeProject('factory')
  await keystone.makeUser('factory', password, projectId, ['member'])
  const held = started.move()
  return {
    keystone,
    glanceUrl: `http://127.0.0.1:${glancePort}`,
    password,
    projectId,
    directory,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** The logs stay when a service itself broke. */
async function removeUnlessBroken(directory: string): Promise<void> {
  const logs = ['keystone.log', 'glance.log', 'keystone.out', 'glance.out']
  const said = await Promise.all(logs.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')))
  if (!said.some((text) => text.includes(' ERROR '))) await rm(directory, { recursive: true })
}
