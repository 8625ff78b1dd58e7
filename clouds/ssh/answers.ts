import { z } from 'zod'
import { FactoryError } from '#src/errors.ts'
import { printable } from '#src/builder/text.ts'
import type { Host } from './hosts.ts'

const states = ['starting', 'running', 'ending', 'over', 'rebooted'] as const

const leaseOnHost = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  owner: z.string().max(200),
  release: z.string().max(200),
  arch: z.string().max(40),
  expires: z.iso.datetime(),
  /** `over`: nothing of it runs any more; `rebooted`: the host was started again since. */
  state: z.enum(states),
})

/** A lease as its file on the host says, whoever wrote it. */
export type LeaseOnHost = z.infer<typeof leaseOnHost>

export interface Look {
  arch: string
  clockMs: number
  freeBytes: number
  missing: string[]
  leases: LeaseOnHost[]
}

const look = z.object({
  arch: z.string(),
  clock: z.string().regex(/^\d{9,11}$/),
  free: z.string().regex(/^\d{1,16}$/),
})

/** What a host says of itself. */
export function readLook(host: Host, text: string): Look {
  const lines = text.split('\n')
  const named = Object.fromEntries(lines.map((line) => line.split(' ', 2)))
  const said = look.safeParse(named)
  if (!said.success || !lines.includes('end')) throw unreadable(host, text)
  const missing = lines.flatMap((line) => /^missing ([\w.-]+)$/.exec(line)?.[1] ?? [])
  const { arch, clock, free } = said.data
  return {
    arch: printable(arch),
    clockMs: Number(clock) * 1000,
    freeBytes: Number(free),
    missing,
    leases: readLeases(text),
  }
}

/** The leases of a survey; what cannot be read is nobody's. */
export function readLeases(text: string): LeaseOnHost[] {
  const found = new Map<string, Record<string, string>>()
  for (const line of text.split('\n').map(printable)) {
    const [, id, name, value] = /^lease (\S+) ([a-z]+) (.*)$/.exec(line) ?? []
    if (id === undefined || name === undefined || value === undefined) continue
    found.set(id, { ...found.get(id), id, [name]: value })
  }
  return [...found.values()].flatMap((each) => leaseOnHost.safeParse(each).data ?? [])
}

/** The last line of what a program on a host said: one of the words that it may answer, and what follows it. */
export function readAnswer<W extends string>(
  host: Host,
  text: string,
  words: readonly W[],
): { word: W; rest: string } {
  const line = text.trim().split('\n').at(-1) ?? ''
  const word = words.find((each) => line === each || line.startsWith(`${each} `))
  if (word === undefined) throw unreadable(host, text)
  return { word, rest: printable(line.slice(word.length + 1)).trim() }
}

function unreadable(host: Host, text: string): FactoryError {
  return new FactoryError({
    code: 'host-answer-unreadable',
    message: `the host ${host.name} gave no sensible answer: ${JSON.stringify(text.slice(-120))}`,
    hint: 'Log in there and look: does its shell print something by itself, is a tool replaced?',
    class: 'infra',
  })
}
