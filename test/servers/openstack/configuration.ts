import { mkdir, writeFile } from 'node:fs/promises'
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
}

/** Writes what Keystone and Glance read, and makes the directories that they write to. */
export async function configure(
  directory: string,
  keystoneUrl: string,
  { tokenSeconds = 3600, imageQuotaMib, importMethods = ['glance-direct', 'web-download'] }: StackOptions,
): Promise<void> {
  for (const place of ['images', 'staging', 'tasks', 'glance']) await mkdir(join(directory, place))
  await writeFile(
    join(directory, 'keystone.conf'),
    `[DEFAULT]
log_file = ${inTree}/keystone.log
[database]
connection = sqlite:///${inTree}/keystone.db
sqlite_synchronous = false
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
  const quota = imageQuotaMib === undefined ? '' : `user_storage_quota = ${imageQuotaMib}MB\n`
  await writeFile(
    join(directory, 'glance', 'glance-api.conf'),
    `[DEFAULT]
log_file = ${inTree}/glance.log
enabled_backends = local:file
enabled_import_methods = [${importMethods.join(',')}]
${quota}[database]
connection = sqlite:///${inTree}/glance.db
sqlite_synchronous = false
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = ${inTree}/images
[os_glance_staging_store]
filesystem_store_datadir = ${inTree}/staging
[os_glance_tasks_store]
filesystem_store_datadir = ${inTree}/tasks
[import_filtering_opts]
allowed_ports = []
disallowed_hosts = []
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
