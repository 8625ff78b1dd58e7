import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { writeKeyPair } from './key-pair.ts'
import type { BuilderLogin, BuilderRef } from './types.ts'

/**
 * The host keys that a builder may show, the newest last, each as `ssh-ed25519 AAAA…`. It is the pinned one, unless that
 * one is to be replaced: then both count from the moment that the next one is made, because nobody knows which of them a
 * machine shows when the factory was killed in between, and only the next one when the machine has shown it.
 */
export async function acceptedHostKeys(ref: BuilderRef, login: BuilderLogin): Promise<string[]> {
  const pinned = keyIn(ref.hostPublicKey)
  if (!ref.hostKeyExposed) return [pinned]
  const next = await findNextHostKey(login)
  if (!next) return [pinned]
  return (await isReplaced(login)) ? [next.publicKey] : [pinned, next.publicKey]
}

export interface HostKey {
  publicKey: string
  privateKeyFile: string
}

/** The key that takes the pinned one's place; made once and kept with the other keys of the lease. */
export async function nextHostKey(login: BuilderLogin): Promise<HostKey> {
  const made = await findNextHostKey(login)
  if (made) return made
  const place = placeOf(login)
  const unfinished = `${place.next}.made-by-${process.pid}`
  await rm(unfinished, { force: true })
  try {
    await writeKeyPair(unfinished)
  } catch (cause) {
    throw new FactoryError({
      code: 'keys-not-made',
      message: `cannot make an SSH key in ${dirname(place.next)}`,
      hint: `Look whether it can be written and has space left: ls -ld ${dirname(place.next)}; df -h ${dirname(place.next)}`,
      class: 'user',
      cause,
    })
  }
  // The private half comes last: with it the key counts.
  await rename(`${unfinished}.pub`, `${place.next}.pub`)
  await rename(unfinished, place.next)
  return (await findNextHostKey(login))!
}

/** Whether the machine has shown its next key, so that the first one counts no more. */
export async function isReplaced(login: BuilderLogin): Promise<boolean> {
  return await exists(placeOf(login).replaced)
}

export async function markReplaced(login: BuilderLogin): Promise<void> {
  await writeFile(placeOf(login).replaced, '', { mode: 0o600 })
}

async function findNextHostKey(login: BuilderLogin): Promise<HostKey | undefined> {
  const { next } = placeOf(login)
  if (!(await exists(next))) return undefined
  return { privateKeyFile: next, publicKey: keyIn(await readFile(`${next}.pub`, 'utf8')) }
}

/** Beside the login key, so that all keys of a lease go together. */
function placeOf({ privateKeyFile }: BuilderLogin) {
  const directory = dirname(privateKeyFile)
  return { next: join(directory, 'next-host'), replaced: join(directory, 'host-replaced') }
}

function keyIn(line: string): string {
  return line.trim().split(/\s+/).slice(0, 2).join(' ')
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
