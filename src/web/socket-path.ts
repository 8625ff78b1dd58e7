import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

const name = 'serve.sock'
/** Linux takes 107 bytes as the address of a socket. */
const longestBytes = 107

export interface SocketPath extends Disposable {
  /** For people: where it is. */
  file: string
  /** For `listen` and `connect`, until it is disposed of. */
  address: string
}

/** The socket of `factory serve` in a state directory, which may lie deeper than the address of a socket can say. */
export function socketPath(stateDirectory: string): SocketPath {
  const file = join(stateDirectory, name)
  if (Buffer.byteLength(file) <= longestBytes) return { file, address: file, [Symbol.dispose]: () => {} }
  const directory = openSync(stateDirectory, 'r')
  return {
    file,
    address: `/proc/self/fd/${directory}/${name}`,
    [Symbol.dispose]: () => closeSync(directory),
  }
}
