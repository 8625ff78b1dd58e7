import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inTree } from './process.ts'

export const servicePassword = 'glance-of-a-test'

export interface StackOptions {
  /** How long a token lives; Keystone's own hour when not given. */
  tokenSeconds?: number
  /** MiB of images that Glance takes in all; without a limit when not given. */
  imageQuotaMib?: number
  /** Whether Glance imports by other ways than PUT. */
  importMethods?: readonly string[]
  /** A second Glance, of another region, that knows nothing of the first one. */
  hasSecondGlance?: boolean
}

export type GlanceName = 'glance' | 'glance-two'

/** Writes what Keystone reads. It remembers what it looked up, which is safe in one process and half of its work. */
export async function configureKeystone(
  directory: string,
  { tokenSeconds = 3600 }: StackOptions,
): Promise<void> {
  await writeFile(
    join(directory, 'keystone.conf'),
    `[DEFAULT]
log_file = ${inTree}/keystone.log
[database]
connection = sqlite:///${inTree}/keystone.db?timeout=60
sqlite_synchronous = false
[cache]
enabled = true
backend = oslo_cache.dict
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
[token]
expiration = ${tokenSeconds}
[fernet_tokens]
key_repository = ${inTree}/fernet
[fernet_receipts]
key_repository = ${inTree}/fernet
[credential]
key_repository = ${inTree}/credential
`,
  )
}

/** Writes what a Glance reads, and makes the directories that it writes to. */
export async function configureGlance(
  directory: string,
  name: GlanceName,
  keystoneUrl: string,
  { imageQuotaMib, importMethods = ['glance-direct', 'web-download'] }: StackOptions,
): Promise<void> {
  const place = join(directory, name)
  for (const part of ['', 'images', 'staging', 'tasks']) await mkdir(join(place, part))
  await copyFile(join(directory, 'glance.db'), join(place, 'glance.db'))
  const seen = `${inTree}/${name}`
  const quota = imageQuotaMib === undefined ? '' : `user_storage_quota = ${imageQuotaMib}MB\n`
  await writeFile(
    join(place, 'glance-api.conf'),
    `[DEFAULT]
log_file = ${seen}/glance.log
enabled_backends = local:file
enabled_import_methods = [${importMethods.join(',')}]
${quota}[database]
connection = sqlite:///${seen}/glance.db?timeout=60
sqlite_synchronous = false
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = ${seen}/images
[os_glance_staging_store]
filesystem_store_datadir = ${seen}/staging
[os_glance_tasks_store]
filesystem_store_datadir = ${seen}/tasks
[import_filtering_opts]
allowed_ports = []
allowed_hosts = [127.0.0.1]
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[keystone_authtoken]
www_authenticate_uri = ${keystoneUrl}
auth_url = ${keystoneUrl}
auth_type = password
username = glance
password = ${servicePassword}
user_domain_name = Default
project_name = service
project_domain_name = Default
`,
  )
}
