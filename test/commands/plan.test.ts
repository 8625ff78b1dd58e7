import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openJournal } from '#src/journal/journal.ts'
import type { Plan } from '#src/release/plan.ts'
import { makeWorkspace } from '#test/config/workspace.ts'
import { pushIndex } from '#test/registry/images.ts'
import { startHttp } from '#test/registry/servers.ts'
import { startRegistry } from '#test/servers/registry.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const page = readFileSync(new URL('../../docs/clouds/aws.md', import.meta.url), 'utf8')
/** The example of a price table, and what the page says is printed with it. */
const [, table, printed] = /```yaml\n( +instanceTypes:.*?)```.*?```text\n(.*?)```/s.exec(page)!

test('factory plan prints what docs/clouds/aws.md shows, the same for programs, and asks the cloud nothing', async () => {
  await using registry = await startRegistry()
  for (const name of ['base', 'bib']) await pushIndex(registry.host, name, '1', ['x86_64', 'aarch64'])
  await using services = await startHttp((_request, response) => void response.writeHead(500).end())
  await using workspace = await makeWorkspace({
    Containerfile: `FROM ${registry.host}/base:1\n`,
    'factory.yaml': `
image: { name: lab, containerfile: Containerfile }
disk: { builder: "${registry.host}/bib:1" }
clouds:
  aws:
    kind: aws
    region: us-east-1
    copyTo: [eu-west-1]
    endpoint: http://${services.host}
    base: { x86_64: { ami: ami-0a1b2c3d4e5f60001 }, aarch64: { ami: ami-0a1b2c3d4e5f60002 } }
${table}
builders: { x86_64: [aws], aarch64: [aws] }
publish: [{ to: aws }]
`,
  })
  rememberBuild(join(workspace.directory, '.factory'), 2.1 * 1024 ** 3)
  const factory = (...words: string[]) =>
    execa(process.execPath, [launcher, 'plan', ...words], {
      cwd: workspace.directory,
      env: { FACTORY_HOME: '' },
    })
  const { stdout } = await factory()
  expect(`${stdout.slice(stdout.indexOf('ARCH     FOR'))}\n`).toBe(printed)
  const { machines, costs } = JSON.parse((await factory('--json')).stdout) as Plan
  expect(machines[0]).toMatchObject({
    atMost: [{ amount: 1.4784, currency: 'USD' }],
    notPriced: ['no price for m6i.xlarge (spot) in clouds.aws.prices'],
  })
  expect(costs).toMatchObject({
    machines: [{ amount: 2.7968, currency: 'USD' }],
    storageMonth: [{ amount: 0.21, currency: 'USD' }],
  })
  expect(services.requests).toEqual([])
})

/** An earlier release has made an x86_64 disk with so much on it. */
function rememberBuild(stateDirectory: string, contentBytes: number): void {
  using journal = openJournal(stateDirectory)
  const common = { release: '20261121.0', arch: 'x86_64', buildKey: 'of-then' } as const
  const { release, arch, buildKey } = common
  const disk = { arch, format: 'raw', sha256: 'a'.repeat(64), sizeBytes: 1, virtualBytes: 1 } as const
  journal.appendAll([
    {
      type: 'release-opened',
      release,
      key: 'k',
      owner: 'lab',
      imageName: 'lab',
      inputs: null,
      builds: [{ arch, buildKey, why: 'first release' }],
      destinations: [],
    },
    { type: 'artifacts-collected', ...common, identity: 'i', artifacts: [{ ...disk, contentBytes }] },
  ])
}
