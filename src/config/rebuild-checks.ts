import { isAbsolute, posix } from 'node:path'
import type { Finding, Understood } from './checks.ts'

/** Whatever else git can be told to fetch by runs a program, or comes unencrypted. */
const schemes = ['https', 'ssh', 'file']
/** Anybody on the way could change what they bring, so they are for this machine alone. */
const plainSchemes = ['http', 'git']

/** What contradicts itself in when and from what the factory releases by itself. */
export function rebuildChecks({ sections: { rebuild, image, disk }, faulty }: Understood): Finding[] {
  if (rebuild === undefined || faulty.has('rebuild')) return []
  const watched = rebuild.watch.indexOf('containerfile')
  if (rebuild.git === undefined) {
    if (watched === -1) return []
    const message =
      'rebuild.watch: "containerfile" looks for commits, but there is no rebuild.git that says where'
    return [{ path: ['rebuild', 'watch', watched], message }]
  }
  const findings = gitAddress(rebuild.git.url)
  if (image?.ref !== undefined) {
    const message = 'rebuild.git: brings a Containerfile, but image.ref names an image that is built already'
    findings.push({ path: ['rebuild', 'git'], message })
  }
  const { directory } = rebuild.git
  if (leaves(directory)) {
    const message = `rebuild.git.directory: ${directory} is no directory of the repository`
    return [...findings, { path: ['rebuild', 'git', 'directory'], message }]
  }
  for (const key of ['containerfile', 'context'] as const) {
    const path = image?.[key]
    if (path === undefined || !leaves(posix.join(directory, path), path)) continue
    const message = `image.${key}: ${path} is not in the repository of rebuild.git: write it relative to its directory "${directory}"`
    findings.push({ path: ['image', key], message })
  }
  const config = disk?.config
  if (config !== undefined && !isAbsolute(config) && leaves(posix.join(directory, config))) {
    const message = `disk.config: ${config} is not in the repository of rebuild.git: write an absolute path for a file of this machine`
    findings.push({ path: ['disk', 'config'], message })
  }
  return findings
}

function gitAddress(url: string): Finding[] {
  const finding = (message: string) => [
    { path: ['rebuild', 'git', 'url'], message: `rebuild.git.url: ${message}` },
  ]
  if (url.startsWith('-')) return finding('is no address: it begins with a dash')
  const scheme = /^([a-z][a-z0-9+.-]*):(:|\/\/)/i.exec(url)
  // `host:path` is ssh, and anything else a directory.
  if (scheme === null) return []
  const name = (scheme[1] ?? '').toLowerCase()
  const plain = plainSchemes.includes(name)
  if (scheme[2] === ':' || !(plain || schemes.includes(name))) {
    return finding(`${name} is none of the ways to fetch: ${schemes.join(', ')}`)
  }
  if (name === 'file') return []
  if (!URL.canParse(url)) return finding('is no address')
  const { hostname, username, password } = new URL(url)
  if (password !== '' || (username !== '' && name !== 'ssh')) {
    return finding(
      'holds credentials: leave them to git, which asks its credential helper (git help credentials)',
    )
  }
  if (plain && !['localhost', '127.0.0.1', '[::1]'].includes(hostname)) {
    return finding(`${name} is not encrypted, so that others could change what is built: use https or ssh`)
  }
  return []
}

function leaves(path: string, written = path): boolean {
  const inside = posix.normalize(path)
  return isAbsolute(written) || inside === '..' || inside.startsWith('../')
}
