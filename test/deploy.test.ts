import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Copy, DockerfileParser } from 'dockerfile-ast'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const root = new URL('..', import.meta.url).pathname.replace(/\/$/, '')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('systemd takes the unit as it is, but for the place and the user, which are not here', async () => {
  const unit = read('deploy/image-factory.service')
  const here = unit
    .replaceAll('/opt/image-factory', root)
    .replace('User=image-factory', 'User=root')
    .replace('WorkingDirectory=/etc/image-factory', 'WorkingDirectory=/')
  expect(here).not.toBe(unit)
  const file = join(await mkdtemp(join(tmpdir(), 'unit-')), 'image-factory.service')
  await writeFile(file, here)
  const { exitCode, all } = await execa('systemd-analyze', ['verify', '--man=no', file], {
    all: true,
    reject: false,
  })
  expect(all.split('\n').filter((line) => line.includes('image-factory.service'))).toEqual([])
  expect(exitCode, all).toBe(0)
})

test('the Containerfile of the factory copies what is there, and starts what is there', () => {
  const parsed = DockerfileParser.parse(read('containerfiles/factory/Containerfile'))
  const copied = parsed
    .getInstructions()
    .filter((instruction) => instruction.getKeyword() === 'COPY')
    .flatMap((instruction) => (instruction as Copy).getArguments().slice(0, -1))
    .map((argument) => argument.getValue())
  expect(copied).toContain('src')
  for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true)
  const [entry] = parsed.getENTRYPOINTs()
  const program = entry?.getJSONStrings().at(-1)?.getJSONValue().replace('/opt/image-factory/', '') ?? ''
  expect(existsSync(join(root, program)), program).toBe(true)
})
