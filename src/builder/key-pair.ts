import { writeFile } from 'node:fs/promises'
import { utils } from 'ssh2'

/* Made in this process: ssh-keygen would be one more program to start, which costs the more the larger we are. */

/**
 * Makes an ed25519 key pair without a passphrase in OpenSSH format: the private half in `file` (0600), the public one
 * beside it in `file.pub`. The private half comes last: with it the pair counts.
 */
export async function writeKeyPair(file: string): Promise<void> {
  const pair = utils.generateKeyPairSync('ed25519')
  await writeFile(`${file}.pub`, `${pair.public}\n`, { mode: 0o644 })
  await writeFile(file, pair.private, { mode: 0o600, flag: 'wx' })
}
