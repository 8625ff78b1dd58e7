import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '#src/web/listen.ts'
import { scriptedServing } from './scripted-serving.ts'

/* A server in a process of its own, for its memory to be looked at: says where it is, then answers every message. */

const stateDirectory = mkdtempSync(join(tmpdir(), 'web-'))
const webhookSecret = join(stateDirectory, 'webhook')
writeFileSync(webhookSecret, process.argv[2] ?? '')
const serve = { host: '127.0.0.1', port: 0, hosts: [], webhookSecret }
const { serving, calls } = scriptedServing({ stateDirectory, serve })
const listening = await listen(serving, { bodyMs: 500 })
process.on('message', () => {
  globalThis.gc?.()
  process.send?.({ calls, ...process.memoryUsage() })
})
process.on('disconnect', () => process.exit())
process.send?.({ url: listening.url, stateDirectory, token: listening.token })
