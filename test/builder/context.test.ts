import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { listContext } from '#src/builder/context.ts'
import { readIgnoreRules } from '#src/builder/ignore-rules.ts'

interface Tree extends AsyncDisposable {
  path: string
  write(files: Record<string, string>): Promise<void>
}

async function tree(files: Record<string, string> = {}): Promise<Tree> {
  const path = await mkdtemp(join(tmpdir(), 'context-'))
  async function write(more: Record<string, string>): Promise<void> {
    for (const [name, content] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true })
      await writeFile(join(path, name), content)
    }
  }
  await write(files)
  return { path, write, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

const files = {
  'a/1': '',
  'a/b/2': '',
  'a/b/c/3': '',
  'a/x.log': '',
  'a/b/x.log': '',
  'x.log': '',
  'dir/f': '',
  'dir/keep': '',
  'dir/sub/keep': '',
  'deep/x/y/foo.txt': '',
  'foo.txt': '',
  'foo/bar/z': '',
  foo1: '',
  'sp ace': '',
  '#hash': '',
  '.hidden': '',
}

/** What was seen to be left out by `buildah build` with these lines as .containerignore, of the files above. */
const semantics: [string, string[], string[]][] = [
  ['patterns begin at the root', ['*.log'], ['x.log']],
  ['two stars cross directories', ['**/x.log'], ['x.log', 'a/x.log', 'a/b/x.log']],
  ['one star does not', ['*/x.log'], ['a/x.log']],
  ['a name deep down is not meant by its last part', ['b'], []],
  [
    'a slash in front or at the end means nothing',
    ['/foo.txt', 'dir/'],
    ['foo.txt', 'dir/f', 'dir/keep', 'dir/sub/keep'],
  ],
  [
    'an exclamation mark brings back from a directory that is left out',
    ['dir', '!dir/keep'],
    ['dir/f', 'dir/sub/keep'],
  ],
  [
    'the last rule that matches wins',
    ['dir/*', '!dir/sub/keep', 'dir/sub/keep'],
    ['dir/f', 'dir/keep', 'dir/sub/keep'],
  ],
  ['all below a directory', ['a/**'], ['a/1', 'a/b/2', 'a/b/c/3', 'a/x.log', 'a/b/x.log']],
  ['two stars in a name cross directories too', ['foo**'], ['foo.txt', 'foo/bar/z', 'foo1']],
  ['two stars in the middle', ['a/**/3', 'deep/**/foo.txt'], ['a/b/c/3', 'deep/x/y/foo.txt']],
  ['a question mark is one character', ['foo?'], ['foo1']],
  ['comments, and a name that looks like one', ['#hash'], []],
  [
    'a backslash takes the next character as it is',
    [String.raw`\#hash`, String.raw`foo\.txt`],
    ['#hash', 'foo.txt'],
  ],
  ['spaces around do not count', ['  sp ace  '], ['sp ace']],
  ['character classes', ['[^a-z]*'], ['#hash', '.hidden']],
  [
    'dots and doubled slashes are cleaned away',
    ['./a//b', 'dir/../foo1'],
    ['a/b/2', 'a/b/c/3', 'a/b/x.log', 'foo1'],
  ],
  ['what leaves the tree matches nothing', ['../ctx/a'], []],
  ['upper case is another letter', ['A', 'FOO.TXT'], []],
  ['regular expressions mean nothing', ['foo.tx+', 'fo(o|x).txt', '$', '^a'], []],
  ['a dot alone, an empty line, a bang alone', ['.', '', '!'], []],
]

describe('.containerignore means what it means to podman', () => {
  for (const [name, lines, left] of semantics) {
    test(name, async () => {
      await using context = await tree({ ...files, '.containerignore': lines.join('\n') })
      const { paths } = await listContext(context.path)
      expect(
        Object.keys(files)
          .filter((path) => !paths.includes(path))
          .toSorted(),
      ).toEqual(left.toSorted())
    })
  }

  test('a directory that is left out is not sent, and is when something in it comes back', async () => {
    await using context = await tree({ ...files, '.containerignore': '*\n!a/b/c' })
    expect((await listContext(context.path)).paths).toEqual([
      '.containerignore',
      'a',
      'a/b',
      'a/b/c',
      'a/b/c/3',
    ])
  })

  test('.dockerignore counts where there is no .containerignore', async () => {
    await using context = await tree({ one: '', two: '', '.dockerignore': 'one' })
    expect((await listContext(context.path)).paths).toEqual(['.dockerignore', 'two'])
    await context.write({ '.containerignore': 'two' })
    expect((await listContext(context.path)).paths).toEqual(['.containerignore', '.dockerignore', 'one'])
  })

  test('what belongs to the factory is no part of it, with everything below, and does not change its name', async () => {
    await using context = await tree({ one: '', '.factory/journal.sqlite': 'a', '.factory/store/x': 'b' })
    const list = () => listContext(context.path, { leftOut: ['.factory'] })
    const { paths, digest } = await list()
    expect(paths).toEqual(['one'])
    await context.write({ '.factory/journal.sqlite': 'longer', '.factory/new': '' })
    expect(await list()).toMatchObject({ digest, totalBytes: 0 })
  })

  test('the ignore file and the Containerfile are sent even when they are left out', async () => {
    await using context = await tree({ 'build/Containerfile': '', other: '', '.containerignore': '*' })
    const { paths } = await listContext(context.path, { always: ['build/Containerfile'] })
    expect(paths).toEqual(['.containerignore', 'build', 'build/Containerfile'])
  })

  test('a broken pattern is named with its line', () => {
    expect(() => readIgnoreRules('ok\n[a', '.containerignore')).toThrow(
      expect.objectContaining({
        code: 'context-ignore-broken',
        message: expect.stringContaining('.containerignore:2'),
      }),
    )
  })
})

describe('what must not be sent', () => {
  test('a link out of the tree is refused, in whatever way it leaves', async () => {
    for (const target of ['/etc/passwd', '../outside', 'a/../../outside', 'inside/../../..']) {
      await using context = await tree({ 'a/file': '' })
      await symlink('a', join(context.path, 'inside'))
      await symlink(target, join(context.path, 'link'))
      await expect(listContext(context.path)).rejects.toMatchObject({
        code: 'context-symlink-escapes',
        class: 'user',
        message: expect.stringContaining(`link in the build context is a symbolic link to ${target}`),
      })
      await context.write({ '.containerignore': 'link' })
      expect((await listContext(context.path)).paths).not.toContain('link')
    }
  })

  test('links within the tree are sent, also broken ones', async () => {
    await using context = await tree({ 'a/file': '' })
    await symlink('../a/file', join(context.path, 'a/again'))
    await symlink('nothing', join(context.path, 'broken'))
    expect((await listContext(context.path)).paths).toEqual(['a', 'a/again', 'a/file', 'broken'])
  })

  test('a file of 2 GB is refused with its name, its size and the line that leaves it out', async () => {
    await using context = await tree({ 'images/disk [old].raw': '' })
    await truncate(join(context.path, 'images/disk [old].raw'), 2_000_000_000)
    await expect(listContext(context.path)).rejects.toMatchObject({
      code: 'context-file-too-large',
      message: expect.stringMatching(/images\/disk \[old\]\.raw .* 1\.9 GiB.* 1 GiB/),
      hint: expect.stringContaining(String.raw`"images/disk \[old].raw" to .containerignore`),
    })
    await context.write({ '.containerignore': String.raw`images/disk \[old].raw` })
    expect((await listContext(context.path)).totalBytes).toBe(22)
  })

  test('pipes and sockets are refused', async () => {
    await using context = await tree()
    await execa('mkfifo', [join(context.path, 'pipe')])
    await expect(listContext(context.path)).rejects.toMatchObject({ code: 'context-file-kind' })
  })

  test('a context that is not there is named', async () => {
    await expect(listContext('/nowhere/at/all')).rejects.toMatchObject({ code: 'context-missing' })
  })
})

describe('the digest of a context', () => {
  test('changes with names, contents, modes and link targets, and not with times', async () => {
    await using context = await tree({ a: 'one', b: 'two', 'd/e': '' })
    const seen = new Set<string>()
    const digest = async () => (await listContext(context.path)).digest
    const changes = [
      async () => {},
      async () => context.write({ a: 'One' }),
      async () => context.write({ c: '' }),
      async () => chmod(join(context.path, 'a'), 0o755),
      async () => symlink('a', join(context.path, 'l')),
      async () => rm(join(context.path, 'l')).then(() => symlink('b', join(context.path, 'l'))),
      async () => mkdir(join(context.path, 'empty')),
    ]
    for (const change of changes) {
      await change()
      seen.add(await digest())
    }
    expect(seen.size).toBe(changes.length)
    const before = await digest()
    await execa('touch', ['-d', '2001-01-01', join(context.path, 'a')])
    expect(await digest()).toBe(before)
    await context.write({ '.containerignore': 'ignored' })
    const withRules = await digest()
    await context.write({ ignored: 'anything' })
    expect(await digest()).toBe(withRules)
  })
})
