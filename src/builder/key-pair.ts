import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'

/*
 * Made in this process: ssh-keygen would be one more program to start, which costs the more the larger we are. Not by
 * ssh2's generateKeyPair: of a public key that begins with a zero byte, one in 256, it writes what nobody can read.
 */

const type = 'ssh-ed25519'

/**
 * Makes an ed25519 key pair without a passphrase in OpenSSH format: the private half in `file` (0600), the public one
 * beside it in `file.pub`. The private half comes last: with it the pair counts.
 */
export async function writeKeyPair(file: string): Promise<void> {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const pair = encodeKeyPair(Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url'))
  await writeFile(`${file}.pub`, pair.publicKey, { mode: 0o644 })
  await writeFile(file, pair.privateKey, { mode: 0o600, flag: 'wx' })
}

/** https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key; both halves have 32 bytes. */
export function encodeKeyPair(
  privateHalf: Buffer,
  publicHalf: Buffer,
): { publicKey: string; privateKey: string } {
  const publicBlob = Buffer.concat([text(type), text(publicHalf)])
  const check = randomBytes(4)
  const pair = [text(type), text(publicHalf), text(Buffer.concat([privateHalf, publicHalf]))]
  const bare = Buffer.concat([check, check, ...pair, text('')])
  const padding = Buffer.from(Array.from({ length: -bare.length & 7 }, (_, index) => index + 1))
  const all = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    number(1),
    text(publicBlob),
    text(Buffer.concat([bare, padding])),
  ])
  const lines = all.toString('base64').match(/.{1,70}/g) ?? []
  const privateKey = [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    ...lines,
    '-----END OPENSSH PRIVATE KEY-----',
    '',
  ]
  return { publicKey: `${type} ${publicBlob.toString('base64')}\n`, privateKey: privateKey.join('\n') }
}

/** With its length before it. */
function text(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([number(bytes.length), bytes])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
