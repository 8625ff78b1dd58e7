import { readFile } from 'node:fs/promises'
import { execa } from 'execa'
import { FactoryError } from '#src/errors.ts'

/**
 * The address of the Debian mirror that this machine's own apt is set to, without a trailing slash. It is asked from
 * apt, not read from files, so that every spelling of sources.list counts, and it needs no downloaded package lists.
 */
export async function debianMirror(): Promise<string> {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1]
  const { stdout } = await execa('apt-get', ['--print-uris', 'update'], { timeout: 30_000 })
  for (const line of stdout.split('\n')) {
    const [, mirror, suite] = /^'(\S+?)\/dists\/([\w-]+)\/InRelease'/.exec(line) ?? []
    if (mirror !== undefined && suite === release) return decodeURIComponent(mirror)
  }
  throw new FactoryError({
    code: 'lab-no-debian-mirror',
    class: 'infra',
    message: `apt on this machine names no Debian mirror for its own release (${release ?? 'unknown'}).`,
    hint: 'The lab is made from Debian packages: run it on a Debian machine, or add a "deb" line to /etc/apt/sources.list.',
  })
}
