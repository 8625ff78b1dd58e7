import type { BuilderAddress } from '#src/builder/types.ts'

const port = 22

/** Where SSH of a machine answers: at its address, from the jump host where one is configured. */
export function builderAddress(
  { jump }: { readonly jump?: string | undefined },
  host: string,
): BuilderAddress {
  return jump === undefined
    ? { host, port }
    : { host, port, proxyCommand: jumpCommand(jump, `${host}:${port}`) }
}

/** An argv whose standard input and output are a connection from the jump host to `target`; the host's key must be known. */
export function jumpCommand(jump: string, target: string): string[] {
  const [, destination = '', jumpPort] = /^(.*?)(?::(\d+))?$/.exec(jump) ?? []
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ForwardAgent=no', 'ConnectTimeout=10']
  options.push('ServerAliveInterval=5', 'ServerAliveCountMax=3')
  const settings = options.flatMap((option) => ['-o', option])
  return ['ssh', ...settings, ...(jumpPort ? ['-p', jumpPort] : []), '-W', target, '--', destination]
}
