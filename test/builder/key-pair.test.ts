import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { secretsDirectory } from '#src/builder/keys.ts'
import { encodeKeyPair } from '#src/builder/key-pair.ts'

/** One in 256 begins with a zero byte, which is where others have gone wrong. */
function pairWith(fits: (halves: { d: Buffer; x: Buffer }) => boolean): { d: Buffer; x: Buffer } {
  for (;;) {
    const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    const halves = { d: Buffer.from(d, 'base64url'), x: Buffer.from(x, 'base64url') }
    if (fits(halves)) return halves
  }
}

test.for([
  ['any halves', () => true],
  ['a public half that begins with a zero', ({ x }: { x: Buffer }) => x[0] === 0],
  ['a private half that begins with a zero', ({ d }: { d: Buffer }) => d[0] === 0],
] as const)('a key pair with %s is one for OpenSSH and for ssh2', async ([, fits]) => {
  const { d, x } = pairWith(fits)
  const { privateKey, publicKey } = encodeKeyPair(d, x)
  const directory = await mkdtemp(join(await secretsDirectory(), 'pair-'))
  try {
    await writeFile(join(directory, 'key'), privateKey, { mode: 0o600 })
    expect((await execa('ssh-keygen', ['-y', '-f', join(directory, 'key')])).stdout).toBe(publicKey.trim())
  } finally {
    await rm(directory, { recursive: true })
  }
  const parsed = ssh2.utils.parseKey(privateKey)
  if (parsed instanceof Error) throw parsed
  const signature = parsed.sign('something')
  const shown = ssh2.utils.parseKey(publicKey)
  if (shown instanceof Error) throw shown
  expect(shown.verify('something', signature as Buffer)).toBe(true)
})
