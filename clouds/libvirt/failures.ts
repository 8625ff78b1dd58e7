import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'

type Reading = (
  hypervisor: Hypervisor,
  match: RegExpExecArray,
) => Omit<FactoryErrorFacts, 'cause' | 'context'>

/** What libvirt and ssh print, in the order in which it is looked for, and what it means to a person. */
const readings: readonly [RegExp, Reading][] = [
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/,
    ({ uri }) => ({
      code: 'hypervisor-not-trusted',
      message: `the SSH host key of the hypervisor ${uri} is not known, or is another one than it was`,
      hint: 'Compare its key with the administrator and add it to known_hosts (ssh-keyscan HOST >> ~/.ssh/known_hosts).',
      class: 'permission',
    }),
  ],
  [
    /Permission denied \((publickey|password|keyboard|gssapi)/,
    ({ uri }) => ({
      code: 'libvirt-permission',
      message: `the hypervisor ${uri} does not let us in`,
      hint: 'Put your public key into its authorized_keys, or give the private key with ?keyfile=/path in the uri.',
      class: 'permission',
    }),
  ],
  [
    /authentication unavailable|access denied|[Aa]uthentication failed|Failed to connect socket to '[^']*': Permission denied/,
    ({ uri }) => ({
      code: 'libvirt-permission',
      message: `libvirt at ${uri} refuses us: no rights`,
      hint: 'Join the group libvirt (usermod -aG libvirt USER, then log in again), or use qemu:///session.',
      class: 'permission',
    }),
  ],
  [
    /ssh: .*|Failed to connect socket to '([^']*)': (No such file or directory|Connection refused)|unable to connect to server|Could not resolve hostname|End of file while reading data|Cannot recv data.*/,
    ({ uri }, match) => ({
      code: 'libvirt-not-running',
      message: `libvirt at ${uri} does not answer: ${match[0].slice(0, 300)}`,
      hint: uri.startsWith('qemu+ssh')
        ? `Try: virsh -c '${uri}' list   (is the host up, does sshd answer, is libvirtd running there?)`
        : 'Start it: systemctl start libvirtd   (without systemd: virtlogd -d && libvirtd -d)',
      class: 'infra',
    }),
  ],
  [
    /storage pool '?([^'\n]*?)'? is not active/,
    ({ uri }, match) => ({
      code: 'pool-inactive',
      message: `the storage pool ${match[1]} on ${uri} is defined but not started`,
      hint: `Start it: virsh -c '${uri}' pool-start ${match[1]}   (and for good: pool-autostart ${match[1]})`,
      class: 'user',
    }),
  ],
  [
    /volume '([^'\n]*)' is still (in use|being allocated)/,
    ({ uri }, match) => ({
      code: 'volume-in-use',
      message: `the volume ${match[1]} on ${uri} is being written by somebody else right now`,
      hint: 'Another release sends the same image: wait until it is done, then run the same command again.',
      class: 'infra',
    }),
  ],
  [
    /No space left on device|Disk quota exceeded/,
    ({ uri }) => ({
      code: 'pool-full',
      message: `a storage pool on ${uri} has no space left`,
      hint: `Make room (virsh -c '${uri}' pool-info POOL shows how much there is) and run the same command again.`,
      class: 'disk-full',
    }),
  ],
  [
    /(no emulator|could not find capabilities|Cannot find QEMU binary|does not support virt type).*/,
    ({ uri }, match) => ({
      code: 'emulator-missing',
      message: `${uri} cannot run machines of this architecture: ${match[0]}`,
      hint: 'Install the emulator on the hypervisor (Debian: qemu-system-x86, qemu-system-arm, qemu-system-ppc, qemu-system-misc).',
      class: 'user',
    }),
  ],
  [
    /(Domain|Storage pool|Storage volume) not found|failed to get (domain|vol|pool) /,
    ({ uri }, match) => ({
      code: 'libvirt-not-found',
      message: `${uri} has none of that name: ${lastLine(match.input)}`,
      hint: 'It was there a moment ago: run the same command again.',
      class: 'infra',
    }),
  ],
]

/** How a call of virsh can fail; of execa's errors these are the parts that count. */
type VirshError = Error & { code?: string | undefined; shortMessage?: string; stderr?: unknown }

/** Gives a failed virsh a code, a place and the next thing to type; `stderr` where it did not come through a pipe. */
export function virshFailure(
  hypervisor: Hypervisor,
  argv: readonly string[],
  error: VirshError,
  stderr = String(error.stderr ?? error.message),
): FactoryError {
  if (error.code === 'ENOENT') {
    return new FactoryError({
      code: 'virsh-missing',
      message: 'the program virsh is not installed here',
      hint: 'Install it: apt-get install libvirt-clients   (Fedora: dnf install libvirt-client)',
      class: 'user',
      cause: error,
    })
  }
  const said = stderr.replaceAll(/^error: /gm, '')
  for (const [pattern, reading] of readings) {
    const match = pattern.exec(said)
    if (match) return new FactoryError({ ...reading(hypervisor, match), cause: error })
  }
  return new FactoryError({
    code: 'virsh-failed',
    message: `virsh ${argv[0]} on ${hypervisor.uri} failed: ${said.trim().slice(0, 2000) || error.shortMessage || error.message}`,
    hint: 'The log of libvirtd on the hypervisor says more (journalctl -u libvirtd).',
    class: 'infra',
    cause: error,
  })
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
