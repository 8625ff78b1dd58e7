import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { execa } from 'execa'
import type { Context } from '#src/context.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { type DomainDefinition, domainXml } from './domain.ts'
import { virshFailure } from './failures.ts'
import type { Pool } from './pools.ts'
import { volumesThatEnd } from './start-machine.ts'
import { inTemporaryDirectory } from './temporary.ts'

const startLimitMs = 60_000
/** How long virsh may take to go; the machine of a killed one goes as well, because libvirtd sees its connection end. */
const endLimitMs = 10_000

/**
 * Starts a machine that libvirt destroys when our connection to it ends, in whichever way: the guest of a trial may
 * hang, so it cannot be trusted to end itself. virsh reads its commands from a pipe of ours and holds the connection
 * until that is closed, which a kill of the factory does as well. The machine ends when what is returned is disposed of.
 */
export async function startHeldMachine(
  pool: Pool,
  definition: DomainDefinition,
  ctx: Pick<Context, 'signal'>,
): Promise<AsyncDisposable> {
  const { connection, uri } = pool.hypervisor
  const argv = ['-c', 'exec virsh -q -c "$1" 2>&1', 'held-machine', connection]
  const held = execa('sh', argv, { env: { LC_ALL: 'C' }, stdin: 'pipe', reject: false })
  held.stdin.on('error', () => {}) // What it did not get to read shows in what it says.
  const end = async () => {
    held.stdin.end()
    const patience = setTimeout(() => {
      held.kill('SIGKILL')
      held.stdout.destroy() // An ssh that it ran may hold the pipe for longer.
    }, endLimitMs)
    await held
    clearTimeout(patience)
  }
  try {
    return await inTemporaryDirectory(async (directory) => {
      const file = join(directory, 'domain.xml')
      await writeFile(file, domainXml(definition), { mode: 0o600 })
      held.stdin.write(`create --autodestroy --file "${file}"\necho ${definition.uuid}\n`)
      for (const volume of volumesThatEnd(definition)) {
        held.stdin.write(`vol-delete --pool "${pool.name}" --vol "${volume}"\n`)
      }
      const answer = () => textUntil(held.stdout, definition.uuid)
      const said = await withTimeLimit(`virsh create on ${uri}`, startLimitMs, ctx.signal, answer)
      const complaints = said.match(/^error: .*/gm)?.join('\n')
      if (complaints !== undefined) throw virshFailure(pool.hypervisor, ['create'], new Error(complaints))
      return { [Symbol.asyncDispose]: end }
    })
  } catch (error) {
    await end()
    throw error
  }
}

/** virsh repeats a command when it comes to it, so the end of the one before is when the text of the next one shows. */
async function textUntil(stream: Readable, end: string): Promise<string> {
  let text = ''
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.includes(end)) return text
  }
  return `${text}\nerror: virsh ended before it answered`
}
