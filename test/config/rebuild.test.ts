import { expect, test } from 'vitest'
import { loadConfiguration } from '#src/config/load.ts'
import { makeWorkspace } from './workspace.ts'

const rest = `image: { name: lab, containerfile: Containerfile }
disk: { builder: localhost:5055/lab/bib:latest }
clouds: { lab: { kind: libvirt } }
builders: { x86_64: [lab] }
`

async function load(rebuild: string, others = rest) {
  await using workspace = await makeWorkspace({
    'factory.yaml': `${others}rebuild:\n${rebuild}`,
    Containerfile: 'FROM scratch\n',
  })
  return await loadConfiguration(undefined, workspace.directory, {}).catch((error: unknown) => error)
}

const mistakes: [name: string, rebuild: string, code: string, message: string][] = [
  [
    'six fields',
    '  cron: "0 0 4 * * 1"\n',
    'schedule-invalid',
    'factory.yaml:6:9: rebuild.cron: "0 0 4 * * 1" is no schedule (minute, hour, day of month, month, day of week): it has 6 fields, not five',
  ],
  ['an hour that is none', '  cron: "0 24 * * *"\n', 'schedule-invalid', 'Invalid value for hour: 24'],
  ['a day that never comes', '  cron: "0 0 30 2 *"\n', 'schedule-invalid', 'is never: there is no such day'],
  [
    'a misspelt time zone',
    '  timezone: Europe/Praque\n',
    'schedule-invalid',
    'factory.yaml:6:13: rebuild.timezone: there is no time zone "Europe/Praque"; did you mean "Europe/Prague"?',
  ],
  [
    'commits of nothing',
    '  watch: [base, containerfile]\n',
    'configuration-invalid',
    'factory.yaml:6:17: rebuild.watch: "containerfile" looks for commits, but there is no rebuild.git that says where',
  ],
  [
    'a program for an address',
    '  git: { url: "ext::touch x" }\n',
    'configuration-invalid',
    'ext is none of the ways to fetch',
  ],
  [
    'credentials in the address',
    '  git: { url: "https://user:geheim@example.org/x" }\n',
    'configuration-invalid',
    'holds credentials',
  ],
  [
    'a token in the address',
    '  git: { url: "https://token@example.org/x" }\n',
    'configuration-invalid',
    'holds credentials',
  ],
  [
    'an address that others can change',
    '  git: { url: "git://example.org/x" }\n',
    'configuration-invalid',
    'is not encrypted',
  ],
  [
    'a directory outside',
    '  git: { url: /srv/x, directory: ../y }\n',
    'configuration-invalid',
    'is no directory of the repository',
  ],
]

for (const [name, rebuild, code, message] of mistakes) {
  test(`refuses ${name}`, async () => {
    const error = await load(rebuild)
    expect(error).toMatchObject({ code, class: 'user', message: expect.stringContaining(message) as string })
  })
}

test('refuses a Containerfile outside of the repository', async () => {
  const outside = rest.replace('Containerfile }', '../Containerfile }')
  expect(await load('  git: { url: /srv/x }\n', outside)).toMatchObject({
    message: expect.stringContaining('is not in the repository of rebuild.git') as string,
  })
  const inside = await load('  git: { url: /srv/x, directory: deploy }\n', outside)
  expect(inside).not.toMatchObject({ message: expect.stringContaining('is not in the repository') as string })
})

test('takes what git fetches from over https and ssh, from this machine, and from a directory beside the file', async () => {
  for (const url of [
    'https://example.org/images.git',
    'ssh://git@example.org:2222/images',
    'git@example.org:images.git',
    'git://127.0.0.1:9418/images',
    'http://localhost:3000/images',
    'file:///srv/images',
    '../images',
  ]) {
    const loaded = await load(`  cron: "0 4 * * MON"\n  timezone: Europe/Prague\n  git: { url: "${url}" }\n`)
    expect(loaded, url).toMatchObject({ rebuild: { cron: '0 4 * * MON', git: { ref: 'main' } } })
  }
})

test('does not miss a Containerfile here that comes from the repository, but still what stays on this machine', async () => {
  const elsewhere = `${rest.replace('Containerfile }', 'image/Containerfile, secrets: { token: token } }')}rebuild: { git: { url: /srv/x } }\n`
  await using workspace = await makeWorkspace({ 'factory.yaml': elsewhere })
  const load = (fromGit: boolean) => loadConfiguration(undefined, workspace.directory, {}, { fromGit })
  await expect(load(true)).rejects.toMatchObject({ code: 'file-missing' })
  await workspace.write('token', 'x')
  await expect(load(true)).resolves.toMatchObject({ image: { name: 'lab' } })
  await expect(load(false)).rejects.toMatchObject({ code: 'containerfile-missing' })
})
