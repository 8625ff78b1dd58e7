import { execa } from 'execa'

/**
 * Runs mmdebstrap. It mounts /proc, /sys and more in the tree; if it is killed, nothing of that may stay there for whoever
 * clears away after it, who would remove what is mounted.
 */
export async function makeTree(argv: readonly string[], timeoutMs: number): Promise<void> {
  await execa('unshare', ['--mount', 'mmdebstrap', ...argv], {
    timeout: timeoutMs,
    stdin: 'ignore',
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })
}
