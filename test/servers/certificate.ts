import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

export interface Certificate {
  /** PEM of the authority that signed it: whoever trusts this trusts the server. */
  readonly authority: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** Makes an authority of its own in the directory, and a certificate of it for the names. */
export async function makeCertificate(
  directory: string,
  names: readonly string[] = ['localhost'],
): Promise<Certificate> {
  const [authorityFile, authorityKey, certificateFile, keyFile] = [
    'ca.pem',
    'ca.key',
    'cert.pem',
    'cert.key',
  ].map((name) => join(directory, name)) as [string, string, string, string]
  const make = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ]
  const root = ['-subj', '/CN=Authority of the tests', '-keyout', authorityKey, '-out', authorityFile]
  await execa('openssl', [...make, ...root])
  const signed = ['-CA', authorityFile, '-CAkey', authorityKey, '-subj', `/CN=${names[0]}`]
  const alternatives = `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`
  const leaf = ['-addext', alternatives, '-addext', 'basicConstraints=critical,CA:FALSE']
  await execa('openssl', [...make, ...signed, ...leaf, '-keyout', keyFile, '-out', certificateFile])
  return { authority: await readFile(authorityFile, 'utf8'), certificateFile, keyFile }
}
