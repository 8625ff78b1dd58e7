import { z } from 'zod'
import { printable } from '#src/builder/text.ts'
import type { Context } from '#src/context.ts'
import { isRefusal } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { machinesOfLease } from './machines.ts'

const mostLines = 200
const mostCharacters = 16 * 1024
const answer = z.object({ output: z.string().nullish() })

/**
 * The last text on the console of a lease's machine. What a guest writes is not to be trusted: escape sequences and control
 * characters are taken out. Undefined also where the cloud has no consoles.
 */
export async function lastConsoleText(
  settings: OpenstackSettings,
  leaseId: string,
  ctx: Context,
): Promise<string | undefined> {
  const { session, configuration } = settings
  const machines = await machinesOfLease(settings, leaseId, ctx)
  const last = machines.toSorted((a, b) => a.startedAt - b.startedAt).at(-1)
  if (!last) return undefined
  const request = {
    service: 'compute',
    region: configuration.region,
    what: `reading the console of ${last.id}`,
    method: 'POST',
    path: `/servers/${last.id}/action`,
    json: { 'os-getConsoleOutput': { length: mostLines } },
    repeatable: true,
  } as const
  try {
    const { output } = await session.json(request, answer, ctx)
    const text = (output ?? '').split(/\r?\n/).map(printable).join('\n')
    return text.slice(-mostCharacters).trimEnd() || undefined
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}
