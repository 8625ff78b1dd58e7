import { expect, test } from 'vitest'
import { errorText } from '#src/commands/error-text.ts'
import {
  type Call,
  programName,
  rememberCall,
  shellWord,
  spelled,
  spelledScreen,
} from '#src/commands/spelling.ts'
import { FactoryError } from '#src/errors.ts'
import type { FactoryEvent } from '#src/events.ts'
import { execa } from 'execa'
import { makeWorkspace } from '#test/config/workspace.ts'

const call: Call = {
  program: '/clone/src/launcher.js',
  environment: { npm_command: 'exec', npm_lifecycle_event: 'npx' },
  config: undefined,
  commands: ['release', 'status', 'logs'],
}

test.each([
  ['through npx', '/clone/node_modules/.bin/factory', { npm_command: 'exec' }, 'npx factory'],
  ['by an npm script', '/clone/src/launcher.js', { npm_command: 'run-script' }, 'npx factory'],
  ['by node', '/clone/src/launcher.js', {}, 'npx factory'],
  ['by its name', '/usr/local/bin/factory', {}, 'factory'],
])('called %s the program is spelled so', (_how, program, environment, expected) => {
  expect(programName({ program, environment })).toBe(expected)
})

test.each([
  ['then: factory release', 'then: npx factory -c lab.yaml release'],
  [
    '(factory logs) or `factory status`, "factory release"',
    '(npx factory -c lab.yaml logs) or `npx factory -c lab.yaml status`, "npx factory -c lab.yaml release"',
  ],
  ['run npx factory release --force', 'run npx factory -c lab.yaml release --force'],
  ['factory release', 'npx factory -c lab.yaml release'],
])('the whole command in %j can be pasted', (text, expected) => {
  expect(spelled(text, { ...call, config: 'lab.yaml' })).toBe(expected)
})

test.each([
  'another factory is at work',
  'the factory releases what it has',
  'factory release-notes',
  'the image-factory release',
  '/usr/lib/image-factory/release',
  'factory promote',
  'npx factory -c lab.yaml release',
])('%j is no command of ours and stays', (text) => {
  expect(spelled(text, { ...call, config: 'lab.yaml' })).toBe(text)
})

test('a file name with blanks, quotes or dollars comes back as one word of a shell', async () => {
  const config = `my $& lab's.yaml`
  const text = spelled('factory release', { ...call, config })
  expect(text).toBe(`npx factory -c 'my $& lab'\\''s.yaml' release`)
  const { stdout } = await execa('sh', ['-c', `printf '%s' ${shellWord(config)}`])
  expect(stdout).toBe(config)
})

test('errors and hints of events are spelled as the program was called, other texts of events are not', () => {
  rememberCall({ ...call, config: 'lab.yaml' })
  const error = new FactoryError({ code: 'a-b', message: 'no', hint: 'See: factory status', class: 'user' })
  expect(errorText(error)).toContain('See: npx factory -c lab.yaml status')
  // Of several images that are served, each has its own file.
  expect(errorText(error, 'two/lab.yaml')).toContain('See: npx factory -c two/lab.yaml status')
  const shown: FactoryEvent[] = []
  const screen = spelledScreen({ listen: (event) => void shown.push(event), close: async () => {} })
  const hint = 'See: factory logs s390x'
  screen.listen({ type: 'warning', at: 1, message: 'factory logs', hint })
  screen.listen({ type: 'warning', at: 1, message: 'none' })
  const facts = { code: 'a-b', class: 'user', message: 'no', hint } as const
  screen.listen({
    type: 'step-failed',
    at: 1,
    arch: 's390x',
    step: 'disks',
    durationMs: 1,
    willRetry: false,
    error: facts,
  })
  const pasted = 'See: npx factory -c lab.yaml logs s390x'
  expect(shown).toMatchObject([
    { message: 'factory logs', hint: pasted },
    { message: 'none' },
    { error: { message: 'no', hint: pasted } },
  ])
})

test('the program itself does so, wherever -c stands', async () => {
  await using workspace = await makeWorkspace()
  const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
  for (const words of [
    ['-c', 'no.yaml', 'status'],
    ['status', '--config=no.yaml'],
  ]) {
    const { stderr } = await execa(process.execPath, [launcher, ...words], {
      cwd: workspace.directory,
      reject: false,
    })
    expect(stderr).toContain('npx factory -c no.yaml init')
  }
})

test('without a call (in tests, as a library) texts stay as they are written', () => {
  expect(spelled('factory release', { ...call, commands: [] })).toBe('factory release')
})
