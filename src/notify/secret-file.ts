import { readFile } from 'node:fs/promises'
import { FactoryError } from '#src/errors.ts'

const mostBytes = 64 * 1024

/** Reads a secret when it is used, so that a new one counts at once; the line end that editors write is no part of it. */
export async function readSecret(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(file, cause.code === 'ENOENT' ? 'is not there' : `cannot be read (${cause.code})`, cause)
  })
  if (bytes.byteLength > mostBytes) throw unusable(file, 'is larger than any secret')
  const secret = bytes.toString('utf8').trim()
  if (secret === '') throw unusable(file, 'is empty')
  // A header or an SMTP command would end there.
  if (/[\r\n\0]/.test(secret)) throw unusable(file, 'has more than one line')
  return secret
}

/** The address in a file; what is no http(s) address is not spoken to. */
export async function readAddress(file: string): Promise<URL> {
  const text = await readSecret(file)
  const address = URL.canParse(text) ? new URL(text) : undefined
  if (address?.protocol !== 'https:' && address?.protocol !== 'http:')
    throw unusable(file, 'holds no address that begins with https:// or http://')
  return address
}

function unusable(file: string, what: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'notify-secret',
    class: 'user',
    message: `the file ${file}, which "notify" names, ${what}`,
    hint: 'Write the secret into it, alone on one line, and let only the user of the factory read it (chmod 600).',
    cause,
  })
}
