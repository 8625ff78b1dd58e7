import type { Cipher } from '../openssh.ts'
import { bash } from '../shell.ts'
import type { Shell } from '../shell.ts'
import { cipherScript } from './scripts.ts'

/**
 * A smaller difference than both of these is chance. Where AES has instructions, both take a few milliseconds beside the
 * start of the program; a guest under emulation needs half a second more for AES than for ChaCha20.
 */
const worthwhileFactor = 1.25
const worthwhileSeconds = 0.02
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
  return cheaperCipher(stdout.toString())
}

/** Takes what the builder printed: a line for ChaCha20 and one for AES; whatever else it says means AES. */
export function cheaperCipher(printed: string): Cipher {
  const [chacha = Number.NaN, aes = Number.NaN] = printed.trim().split('\n').map(secondsOf)
  return aes > chacha * worthwhileFactor + worthwhileSeconds
    ? 'chacha20-poly1305@openssh.com'
    : 'aes128-gcm@openssh.com'
}

function secondsOf(line: string): number {
  const [, user, system] = /^(\d+\.\d{3}) (\d+\.\d{3})$/.exec(line) ?? []
  return Number(user) + Number(system)
}
