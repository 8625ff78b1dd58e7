import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { engineParts } from '#src/commands/engine-parts.ts'
import { serveFactory } from '#src/commands/serve/factory.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { engineAtWork, enterEngine } from '#src/journal/engine.ts'
import { openJournal, readJournal } from '#src/journal/journal.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'

test('an image that cannot be served leaves nothing at work in a process that goes on with others', async () => {
  const asked = Promise.withResolvers<ServerResponse>()
  // A registry that does not answer, on the address that the page should have.
  await using registry = await serveOnLoopback((_, response) => asked.resolve(response))
  const { port } = registry
  await using workspace = await makeWorkspace({
    'factory.yaml': `
image: { name: one, ref: "127.0.0.1:${port}/nothing:latest" }
disk: { builder: "127.0.0.1:${port}/bib:1" }
clouds: { hypervisor: { kind: libvirt, uri: ["qemu+ssh://nobody@127.0.0.1:1/system"] } }
builders: { x86_64: [hypervisor] }
publish: [{ to: hypervisor }]
serve: { listen: "127.0.0.1:${port}" }
`,
  })
  const stateDirectory = join(workspace.directory, '.factory')
  {
    using journal = openJournal(stateDirectory)
    const wish = { by: 'somebody' }
    journal.append({ type: 'tick-taken', rule: 'hand', tick: 'one', why: 'asked for', wish })
  }
  const configuration = await loadConfiguration(join(workspace.directory, 'factory.yaml'), '/', {})
  const entered = enterEngine(stateDirectory)
  if (!('engine' in entered)) throw new Error('somebody else is there')
  const said: string[] = []
  const serving = serveFactory(configuration, {
    engine: entered.engine,
    config: configuration.file,
    stop: new AbortController().signal,
    output: { write: (text) => void said.push(text) },
    parts: { engineParts, openClouds: async () => new Map() },
  })
  await expect(serving).rejects.toMatchObject({ code: 'web-address-taken' })
  expect(engineAtWork(stateDirectory)).toBeUndefined()
  const response = await Promise.race([asked.promise, setTimeout(1_000, undefined)])
  if (response && !response.destroyed) await once(response, 'close', { signal: AbortSignal.timeout(5_000) })
  // Its loop would end the process with a failure that nobody waits for.
  await setTimeout(500)
  expect(said.join('')).not.toMatch(/journal|failed/)
  using journal = readJournal(stateDirectory)
  expect(journal.state().rules.get('hand')?.ticks[0]).not.toHaveProperty('outcome')
})
