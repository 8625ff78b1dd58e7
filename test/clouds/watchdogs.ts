import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The argv of every watchdog on this machine that looks at the machine of this UUID. */
export async function watchdogsOf(uuid: string): Promise<string[][]> {
  const found: string[][] = []
  for (const process of await readdir('/proc')) {
    const command = await readFile(join('/proc', process, 'cmdline'), 'utf8').catch(() => '')
    const argv = command.split('\0')
    // While it runs a command there is for a moment a second process of the same argv: its own child.
    if (argv[0] !== 'sh' || argv[3] !== 'factory-watchdog' || argv[5] !== uuid) continue
    if (await leadsItsSession(process)) found.push(argv)
  }
  return found
}

async function leadsItsSession(process: string): Promise<boolean> {
  const status = await readFile(join('/proc', process, 'stat'), 'utf8').catch(() => '')
  return status.split(') ').at(-1)?.split(' ')[3] === process
}
