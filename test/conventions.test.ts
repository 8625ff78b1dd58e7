import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { cloudConfigurations } from '#clouds/index.ts'

const root = new URL('..', import.meta.url).pathname

function filesBelow(directory: string, ending: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

test('every error code of the program has a row in docs/errors.md, and every row a code', () => {
  const sources = ['src', 'clouds'].flatMap((directory) => filesBelow(directory, '.ts'))
  const text = sources.map((source) => readFileSync(source, 'utf8')).join('\n')
  const used = [...text.matchAll(/\bcode: '([a-z0-9]+(?:-[a-z0-9]+)+)'/g)].map((match) => match[1] as string)
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(
    (match) => match[1] as string,
  )
  expect(rows).toEqual(rows.toSorted())
  expect([...new Set(used)].filter((code) => !rows.includes(code))).toEqual([])
  expect(rows.filter((code) => !text.includes(`'${code}'`))).toEqual([])
})

test('a cloud is one folder, one registry line, one test and one page', () => {
  const folders = readdirSync(join(root, 'clouds'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  expect(Object.keys(cloudConfigurations).toSorted()).toEqual(folders.toSorted())
  const tests = readdirSync(join(root, 'test/clouds'))
  for (const name of folders) {
    expect(tests, `test/clouds/${name}.test.ts`).toContain(`${name}.test.ts`)
    expect(read(`docs/clouds/${name}.md`).length, `docs/clouds/${name}.md`).toBeGreaterThan(500)
  }
})

test('an architecture is one file in arch/, known to the index', () => {
  const files = readdirSync(join(root, 'arch')).filter((name) => !['index.ts', 'types.ts'].includes(name))
  expect(files.map((name) => name.replace('.ts', '')).toSorted()).toEqual(architectureNames.toSorted())
})

test("continuous integration runs the README's test command and nothing else", () => {
  expect(read('README.md')).toContain('npm test')
  const commands = read('.ci/run')
    .split('\n')
    .filter((line) => line !== '' && !/^(#|set |cd )/.test(line))
  expect(commands).toEqual(['npm test'])
})

test('the documents link to files that exist', () => {
  const documents = ['README.md', ...filesBelow('docs', '.md').map((path) => path.slice(root.length))]
  for (const document of documents) {
    for (const match of read(document).matchAll(/\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)/g)) {
      const target = join(root, document, '..', match[1] as string)
      expect(() => readFileSync(target), `${document} links to ${match[1]}`).not.toThrow(/ENOENT/)
    }
  }
})
