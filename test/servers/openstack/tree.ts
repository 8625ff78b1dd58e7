import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { cached } from '#test/lab/cache.ts'
import { alone } from '../alone.ts'
import { installServices, suite } from '../service-tree.ts'

const packages = ['keystone', 'glance-api', 'uwsgi-plugin-python3']
const leftOut = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*']
const deadlineMs = 10 * 60_000
/** For a `beforeAll` of every file that needs the tree: whoever is first makes it. */
export const treeLimitMs = 2 * deadlineMs

export const administratorPassword = 'administrator-of-a-test'

/** Where the tree has databases and keys as they are after the installation, for each start to copy. */
export const template = '/srv/template'

const keystoneConfiguration = `[database]
connection = sqlite:///${template}/keystone.db
[fernet_tokens]
key_repository = ${template}/fernet
[fernet_receipts]
key_repository = ${template}/fernet
[credential]
key_repository = ${template}/credential
`
const glanceConfiguration = `[database]
connection = sqlite:///${template}/glance.db
`

/** The path of a Debian with Keystone and Glance in it, for this machine's architecture; shared, so nobody writes to it. */
export function openstackTree(): Promise<string> {
  const recipe = {
    suite,
    packages,
    leftOut,
    keystoneConfiguration,
    glanceConfiguration,
    administratorPassword,
  }
  // Test files start side by side; the first makes it for all.
  return alone('openstack-tree', () =>
    cached('openstack', recipe, async (directory) => {
      await installServices(directory, packages, leftOut)
      await setUp(directory)
    }),
  )
}

/** A place of one's own with everything that a start changes. */
export async function copyTemplate(tree: string, directory: string): Promise<void> {
  await cp(join(tree, template), directory, { recursive: true })
  for (const name of ['keystone.db', 'glance.db']) {
    // Readers and a writer side by side; otherwise one of two calls at once finds the database locked.
    const database = new DatabaseSync(join(directory, name))
    database.exec('PRAGMA journal_mode = WAL')
    database.close()
  }
}

async function setUp(directory: string): Promise<void> {
  const place = join(directory, template)
  await mkdir(place, { recursive: true })
  for (const keys of ['fernet', 'credential']) await mkdir(join(place, keys), { mode: 0o700 })
  await writeFile(join(place, 'keystone.conf'), keystoneConfiguration)
  await writeFile(join(place, 'glance-api.conf'), glanceConfiguration)
  const asRoot = ['--keystone-user', 'root', '--keystone-group', 'root']
  const keystone = [
    ['db_sync'],
    ['fernet_setup', ...asRoot],
    ['credential_setup', ...asRoot],
    ['bootstrap', '--bootstrap-password', administratorPassword, '--bootstrap-region-id', 'RegionOne'],
  ]
  for (const words of keystone) {
    await inside(directory, ['keystone-manage', '--config-file', `${template}/keystone.conf`, ...words])
  }
  await inside(directory, ['glance-manage', '--config-file', `${template}/glance-api.conf`, 'db_sync'])
}

async function inside(directory: string, argv: readonly string[]): Promise<void> {
  await execa('chroot', [directory, ...argv], {
    timeout: deadlineMs,
    stdin: 'ignore',
    env: { LC_ALL: 'C.UTF-8' },
  })
}
