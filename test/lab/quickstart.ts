import { execa } from 'execa'
import { formatDuration } from '#src/units.ts'
import { ensureLab, labConfiguration } from './lab.ts'

const startedAt = Date.now()

function report(line: string): void {
  process.stderr.write(`[${formatDuration(Date.now() - startedAt)}] ${line}\n`)
}

report('making the lab: four builder base disks, a registry, a base image, a disk builder')
await ensureLab(report)
report(`factory -c ${labConfiguration} release`)
const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const command = [launcher, '-c', labConfiguration, 'release', ...process.argv.slice(2)]
const factory = execa(process.execPath, command, { stdio: 'inherit', reject: false })
// Ctrl-C reaches the factory by itself; this program only waits until it has given everything back.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
const { exitCode } = await factory
report(exitCode === 0 ? 'done' : `factory ended with exit code ${exitCode}`)
process.exitCode = exitCode ?? 1
