import { afterEach, describe, expect, test, vi } from 'vitest'
import type { BuilderPool, Cloud, ImageStore, Resource } from '#clouds/types.ts'
import { reapCommand } from '#src/commands/reap.ts'
import type { Context } from '#src/context.ts'
import { type Reaped, reap } from '#src/release/reap.ts'
import { makeWorkspace } from '#test/config/workspace.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const over = '2026-11-21T11:00:00Z'
const running = '2026-11-21T13:00:00Z'
const confirmMs = 5_000

/** What the program itself opens, by name. */
const opened = new Map<string, Cloud>()
vi.mock('#clouds/index.ts', async (original) => ({
  ...(await original<object>()),
  openCloud: (name: string) => Promise.resolve(opened.get(name)!),
}))
afterEach(() => void vi.restoreAllMocks())

interface Scripted extends Cloud {
  /** What is there. */
  rented: Resource[]
  halfMade: Resource[]
  fails: Set<'find' | 'leftovers' | 'release' | 'discard'>
  looks: number
}

/** Says everything that is there, of whomever it is, and refuses to remove what nobody may want removed. */
function scriptedCloud(name: string, rented: Resource[], halfMade: Resource[] = []): Scripted {
  const failing = (what: 'find' | 'leftovers' | 'release' | 'discard') => {
    if (cloud.fails.has(what)) throw new Error(`scripted: ${what} fails`)
  }
  const mayRemove = (resources: readonly Resource[]) => {
    if (resources.length === 0) throw new Error('removes what is not there')
    if (resources.some(({ owner }) => owner !== 'lab')) throw new Error('removes what is not ours')
    if (cloud.looks < 2) throw new Error('removes after one look')
  }
  const cloud: Scripted = {
    name,
    kind: 'libvirt',
    rented,
    halfMade,
    fails: new Set(),
    looks: 0,
    async *doctor() {},
    builders: {
      async *find() {
        cloud.looks += 1
        failing('find')
        yield* cloud.rented
      },
      async release(leaseId: string) {
        failing('release')
        mayRemove(cloud.rented.filter((resource) => resource.leaseId === leaseId))
        cloud.rented = cloud.rented.filter((resource) => resource.leaseId !== leaseId)
      },
    } as unknown as BuilderPool,
    images: {
      async *leftovers() {
        failing('leftovers')
        yield* cloud.halfMade
      },
      async discard(leftover: Resource) {
        failing('discard')
        mayRemove(cloud.halfMade.filter(({ id }) => id === leftover.id))
        cloud.halfMade = cloud.halfMade.filter(({ id }) => id !== leftover.id)
      },
    } as unknown as ImageStore,
  }
  return cloud
}

function part(kind: Resource['kind'], leaseId: string, expires: string | undefined, owner = 'lab'): Resource {
  const resource = { kind, id: `${kind}-${leaseId}`, region: 'host', owner, leaseId }
  return expires === undefined ? resource : { ...resource, expires }
}

function leftover(id: string, expires: string, owner = 'lab'): Resource {
  return { kind: 'image', id, region: 'host', owner, expires }
}

/** `between` happens between the two looks. */
async function run(clouds: Scripted[], options: { dryRun?: boolean; between?: () => void } = {}) {
  const ctx: Context = {
    signal: new AbortController().signal,
    now: () => now,
    async sleep(ms) {
      expect(ms).toBe(confirmMs)
      options.between?.()
    },
    emit: () => undefined,
    log: () => undefined,
  }
  const byName = new Map(clouds.map((cloud) => [cloud.name, cloud]))
  const reaped = await reap(byName, { owner: 'lab', dryRun: options.dryRun ?? false, confirmMs }, ctx)
  return reaped.map(told).toSorted()
}

function told({ cloud, resource, action }: Reaped): string {
  return [cloud, ...(resource ? [resource.id] : []), action].join(' ')
}

describe('reaping', () => {
  test('removes machines and what belongs to them when their lease is over, and nothing else', async () => {
    const living = [part('machine', 'b', running), part('disk', 'b', running)]
    const cloud = scriptedCloud('a', [part('machine', 'a', over), part('disk', 'a', over), ...living])
    expect(await run([cloud])).toEqual([
      'a disk-a removed',
      'a disk-b left',
      'a machine-a removed',
      'a machine-b left',
    ])
    expect(cloud.rented).toEqual(living)
  })

  test('never touches what another owner has, nor what nobody has, however long it is over', async () => {
    const foreign = [
      part('machine', 'a', over, 'somebody'),
      { kind: 'disk', id: 'plain', region: 'host', leaseId: 'b', expires: over } as const,
    ]
    const halfMade = [leftover('theirs', over, 'somebody')]
    const cloud = scriptedCloud('a', foreign, halfMade)
    expect(await run([cloud])).toEqual([])
    expect({ rented: cloud.rented, halfMade: cloud.halfMade }).toEqual({ rented: foreign, halfMade })
  })

  test('takes the latest end that stands on any part of a lease', async () => {
    const parts = [part('machine', 'a', over), part('disk', 'a', running), part('seed', 'a', over)]
    const cloud = scriptedCloud('a', parts)
    expect(await run([cloud])).toEqual(['a disk-a left', 'a machine-a left', 'a seed-a left'])
    expect(cloud.rented).toEqual(parts)
  })

  test.each([
    ['no end at all', undefined],
    ['an end that is no time', 'soon'],
    ['an end of this very minute, because clocks differ', '2026-11-21T11:59:30Z'],
  ])('leaves what has %s', async (_what, expires) => {
    const cloud = scriptedCloud('a', [part('machine', 'a', expires), part('disk', 'a', over)])
    expect(await run([cloud])).toEqual(['a disk-a left', 'a machine-a left'])
  })

  test('what is prolonged between the two looks lives', async () => {
    const cloud = scriptedCloud('a', [part('machine', 'a', over), part('machine', 'b', over)])
    const between = () => {
      cloud.rented = [part('machine', 'a', running), part('machine', 'b', over)]
    }
    expect(await run([cloud], { between })).toEqual(['a machine-a left', 'a machine-b removed'])
    expect(cloud.rented).toEqual([part('machine', 'a', running)])
  })

  test('what is gone at the second look is not asked for again', async () => {
    const cloud = scriptedCloud('a', [part('machine', 'a', over)])
    expect(await run([cloud], { between: () => void (cloud.rented = []) })).toEqual([])
  })

  test('discards what publishes have left, each for itself', async () => {
    const cloud = scriptedCloud('a', [], [leftover('old.part', over), leftover('new.part', running)])
    expect(await run([cloud])).toEqual(['a new.part left', 'a old.part removed'])
    expect(cloud.halfMade.map(({ id }) => id)).toEqual(['new.part'])
  })

  test('a dry run says what would go and removes nothing', async () => {
    const cloud = scriptedCloud('a', [part('machine', 'a', over)], [leftover('old.part', over)])
    expect(await run([cloud], { dryRun: true })).toEqual([
      'a machine-a would be removed',
      'a old.part would be removed',
    ])
    expect([...cloud.rented, ...cloud.halfMade]).toHaveLength(2)
  })

  test.each([
    ['find', ['bad failed', 'bad old.part removed']],
    ['leftovers', ['bad failed', 'bad machine-a removed']],
    ['release', ['bad machine-a failed', 'bad old.part removed']],
    ['discard', ['bad machine-a removed', 'bad old.part failed']],
  ] as const)(
    'a cloud where %s fails is told and stops neither the others nor the rest of its own',
    async (what, expected) => {
      const bad = scriptedCloud('bad', [part('machine', 'a', over)], [leftover('old.part', over)])
      bad.fails.add(what)
      const good = scriptedCloud('good', [part('machine', 'b', over)])
      expect(await run([bad, good])).toEqual([...expected, 'good machine-b removed'])
    },
  )

  test('a cloud that fails only at the second look still says what it left', async () => {
    const cloud = scriptedCloud('a', [part('machine', 'a', over), part('machine', 'b', running)])
    const between = () => void cloud.fails.add('find')
    expect(await run([cloud], { between })).toEqual(['a failed', 'a machine-b left'])
    expect(cloud.rented).toHaveLength(2)
  })
})

/** Two clouds of the program's own configuration, in the present directory. */
async function workspaceOf(bad: Scripted, good: Scripted) {
  const workspace = await makeWorkspace({
    'factory.yaml': `
owner: lab
image: { name: lab, containerfile: gone/Containerfile }
disk: { builder: quay.io/a/bib:1 }
clouds: { bad: { kind: libvirt }, good: { kind: libvirt } }
builders: { x86_64: [good] }
`,
  })
  opened.set('bad', bad).set('good', good)
  vi.spyOn(process, 'cwd').mockReturnValue(workspace.directory)
  return workspace
}

test.each([
  [false, 0],
  [true, 1],
])(
  'factory reap where a cloud fails (%s) ends with %i, without any file of the image',
  async (fails, code) => {
    const bad = scriptedCloud('bad', [])
    if (fails) bad.fails.add('find')
    await using _workspace = await workspaceOf(bad, scriptedCloud('good', [part('machine', 'a', over)]))
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    expect(await reapCommand({ config: undefined, dryRun: true, json: true })).toBe(code)
    const rows = JSON.parse(write.mock.calls.join('')) as {
      cloud: string
      action: string
      error?: { hint?: string }
    }[]
    expect(rows.map(({ cloud, action }) => `${cloud} ${action}`)).toEqual([
      ...(fails ? ['bad failed'] : []),
      'good would be removed',
    ])
    if (fails) expect(rows[0]?.error?.hint).toContain('please report it')
  },
)

test('factory reap tells what failed apart from what was found, with what to do', async () => {
  const bad = scriptedCloud('bad', [])
  bad.fails.add('find')
  const good = scriptedCloud('good', [part('machine', 'b', running)])
  await using _workspace = await workspaceOf(bad, good)
  const found = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  expect(await reapCommand({ config: undefined, dryRun: true, json: false })).toBe(1)
  expect(found.mock.calls.join('')).toContain('machine-b')
  expect(found.mock.calls.join('')).not.toMatch(/bad|fail/)
  expect(told.mock.calls.join('')).toMatch(
    /^Could not look into: bad\. .*\n  bad: .*scripted: find fails \[unexpected\]\n  → .*please report it/,
  )
})
