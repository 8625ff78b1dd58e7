import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'

const reader = join(import.meta.dirname, 'cloud-seed/usr/lib/lab/cloud-seed.awk')
const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${`${'b3BlbnNzaC1rZXktdjEAAAA'.repeat(3)}\n`.repeat(4)}-----END OPENSSH PRIVATE KEY-----\n`
const document = {
  hostname: 'machine',
  ssh_keys: {
    ed25519_private: key,
    ed25519_public: `ssh-ed25519 ${'AAAAC3Nz'.repeat(8)} a comment - with words`,
  },
  users: [
    { name: 'it\'s: "odd"', ssh_authorized_keys: [`ssh-ed25519 ${'A'.repeat(64)} b`, 'ssh-rsa B'] },
    { name: 'two' },
  ],
  write_files: [
    {
      path: '/a',
      content: `#!/bin/sh\n\necho "${'long '.repeat(30)}" | cat\n  deeper\n\n\nlast\n`,
      permissions: '0755',
    },
    { path: '/b', content: 'without a newline at its end' },
  ],
  runcmd: [['echo', 'two words', '$HOME'], 'a line for the shell > /dev/null', ['one']],
}

describe('the stand-in for cloud-init', () => {
  test.each([
    ['as the factory writes it', { lineWidth: 0 }],
    ['with long lines folded', {}],
    ['with lists not indented', { indentSeq: false }],
  ])('reads a document %s', async (_how, options) => {
    const text = `#cloud-config\n${stringify(document, options)}`
    const { stdout } = await execa('mawk', ['-f', reader], { input: text, stripFinalNewline: false })
    expect(stdout.split('\n').slice(0, -1)).toEqual(flat('', document))
  })
})

/** `path TAB value` for every value, newlines as the reader writes them, those at the end left out. */
function flat(path: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) {
    return [`${path}\t${String(value).replace(/\n+$/, '').replaceAll('\n', '\u0001')}`]
  }
  return Object.entries(value).flatMap(([name, inner]) => flat(path === '' ? name : `${path}.${name}`, inner))
}
