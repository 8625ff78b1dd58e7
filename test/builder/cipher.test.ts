import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cheaperCipher } from '#src/builder/transfer/cipher.ts'
import { startSshServer } from '#test/servers/sshd.ts'
import type { SshServerOptions } from '#test/servers/sshd.ts'
import { MiB, bring, sparse } from './bring.ts'

const aes = 'aes128-gcm@openssh.com'
const chacha = 'chacha20-poly1305@openssh.com'

test.each([
  ['two starts on a quick machine, with nothing between them', '0.005 0.004\n0.004 0.003\n', aes],
  ['a start that took longer than the other by chance', '0.005 0.004\n0.014 0.009\n', aes],
  ['a machine with instructions for AES, where ChaCha20 is slower', '0.009 0.004\n0.006 0.004\n', aes],
  ['a small computer without them', '0.030 0.010\n0.100 0.010\n', chacha],
  ['an emulated guest', '0.350 0.060\n0.990 0.070\n', chacha],
  ['an emulated guest whose host was taken away meanwhile', '0.700 0.120\n0.990 0.070\n', chacha],
  ['an emulated guest that is as slow with both', '0.900 0.060\n0.990 0.070\n', aes],
  ['nothing', '', aes],
  ['one line only', '0.350 0.060\n', aes],
  ['something else', 'bash: openssl: no\nsuch command\n', aes],
])('the cheaper cipher by %s', (_, printed, cipher) => expect(cheaperCipher(printed)).toBe(cipher))

/** The ciphers of the connections that carried a file, by what the server says of them. */
async function usedFor(lies: SshServerOptions['lies'], without: readonly string[] = []): Promise<string[]> {
  await using server = await startSshServer({ ...(lies && { lies }), without, settings: ['LogLevel DEBUG1'] })
  const source = await sparse(join(server.directory, 'disk.raw'), 4 * MiB, [[0, randomBytes(MiB)]])
  const { error } = await bring(server, source)
  expect(error).toBeUndefined()
  return [...server.log().matchAll(/kex: server->client cipher: (\S+)/g)].map(([, cipher = '']) => cipher)
}

const noInstructions = 'case "$*" in *aes*) exit 1;; *) real "$@";; esac'
const slowAes = `case "$*" in
  *aes-128-ctr*) cat >/dev/null; for ((i = 0; i < 300000; i += 1)); do :; done;;
  *chacha20*) cat >/dev/null;;
  *) real "$@";;
esac`

test('a builder that is slow with AES sends with ChaCha20', async () => {
  expect((await usedFor({ grep: noInstructions, openssl: slowAes })).at(-1)).toBe(chacha)
})

test('a builder with instructions for AES, without openssl or whose openssl fails sends with AES', async () => {
  const noChacha = 'case "$*" in enc*chacha20*) exit 1;; *) real "$@";; esac'
  expect((await usedFor({})).at(-1)).toBe(aes)
  expect((await usedFor({ grep: noInstructions, openssl: noChacha })).at(-1)).toBe(aes)
  expect((await usedFor({ grep: noInstructions }, ['openssl'])).at(-1)).toBe(aes)
})
