import { execa } from 'execa'

let known: Promise<readonly string[]> | undefined

/**
 * Words before a command that make the kernel end it when this process is gone, also by SIGKILL: an ssh that writes into
 * a file of ours would otherwise fill the disk beside the factory that goes on. Nothing where util-linux has no
 * `setpriv --pdeathsig` (before 2.33, or another system): there the command ends with its connection.
 */
export function endingWithUs(): Promise<readonly string[]> {
  known ??= findWords()
  return known
}

async function findWords(): Promise<readonly string[]> {
  const words = ['setpriv', '--pdeathsig', 'KILL']
  const [program = '', ...rest] = [...words, 'true']
  const { failed } = await execa(program, rest, { reject: false, stdio: 'ignore', timeout: 5_000 })
  return failed ? [] : words
}
