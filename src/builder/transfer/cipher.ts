import type { Cipher } from '../openssh.ts'
import { bash } from '../shell.ts'
import type { Shell } from '../shell.ts'
import { cipherScript } from './scripts.ts'

/** A smaller difference than this is chance. */
const worthwhileFactor = 1.5
const known = new WeakMap<Shell, Promise<Cipher>>()

/**
 * The cipher that costs the builder less, found out once a session. With instructions for AES that is AES-GCM; without
 * them, and in every emulated machine, ChaCha20 is several times as fast: an x86-64 guest under QEMU's TCG does 8 MB/s
 * with the one and 65 MB/s with the other (openssl speed), and this is what bounds its transfers.
 */
export function chooseCipher(shell: Shell): Promise<Cipher> {
  const before = known.get(shell)
  if (before) return before
  const found = measure(shell)
  known.set(shell, found)
  found.catch(() => known.delete(shell))
  return found
}

async function measure(shell: Shell): Promise<Cipher> {
  const { stdout } = await shell.run(bash(cipherScript), { what: 'a look at its ciphers', accept: 'any' })
  const [aesBytes = Number.NaN, chachaBytes = Number.NaN] = stdout.toString().trim().split('\n').map(Number)
  return chachaBytes > aesBytes * worthwhileFactor
    ? 'chacha20-poly1305@openssh.com'
    : 'aes128-gcm@openssh.com'
}
