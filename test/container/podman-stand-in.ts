import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import type { Store, StoredImage } from './podman-store.ts'

/**
 * A stand-in for podman: the few subcommands that the factory uses, with exactly the options that it uses, over a JSON
 * file. Unknown options, images and files are refused as podman refuses them; transcripts are those of podman 5.4.
 */
const file = process.env['PODMAN_STORE'] ?? ''
const store: Store = JSON.parse(readFileSync(file, 'utf8'))
const [subcommand = '', ...words] = process.argv.slice(2)
store.calls.push([subcommand, ...words])
save()

const scripted = store.scripted.find((entry) => entry.subcommand === subcommand)
if (scripted) {
  store.scripted.splice(store.scripted.indexOf(scripted), 1)
  save()
  process.stdout.write(scripted.output)
  process.exit(scripted.exitCode)
}

switch (subcommand) {
  case 'version':
    parse(words, { format: { type: 'string' } }, 0)
    console.log('5.4.2')
    break
  case 'image':
    image(words)
    break
  case 'pull':
    pull(words)
    break
  case 'tag': {
    const { positionals } = parse(words, {}, 2)
    store.images[positionals[1] ?? ''] = local(positionals[0] ?? '')
    break
  }
  case 'build':
    build(words)
    break
  case 'push':
    push(words)
    break
  case 'run':
    run(words)
    break
  default:
    die(`unrecognized command \`podman ${subcommand}\``)
}
save()

function image([verb = '', ...rest]: string[]): void {
  const name = parse(rest, {}, 1).positionals[0] ?? ''
  if (verb === 'exists') process.exit(store.images[name] ? 0 : 1)
  if (verb !== 'inspect') die(`unrecognized command \`podman image ${verb}\``)
  const { id, architecture, labels } = local(name)
  console.log(JSON.stringify([{ Id: id, Architecture: architecture, Size: 1_234_567, Labels: labels }]))
}

function pull(rest: string[]): void {
  const name = parse(rest, {}, 1).positionals[0] ?? ''
  if (!/^[^@\s]+@sha256:[0-9a-f]{64}$/.test(name)) die(`a moving name is pulled: ${name}`)
  const found = store.registry[name]
  if (!found) die(`initializing source docker://${name}: reading manifest: manifest unknown`)
  store.images[name] = found
  console.log(`Trying to pull ${name}...\nWriting manifest to image destination\n${found.id}`)
}

function build(rest: string[]): void {
  const { values, positionals } = parse(
    rest,
    {
      pull: { type: 'string' },
      network: { type: 'string' },
      layers: { type: 'string' },
      file: { type: 'string' },
      tag: { type: 'string' },
      'build-arg': { type: 'string', multiple: true },
      secret: { type: 'string', multiple: true },
      label: { type: 'string', multiple: true },
    },
    1,
  )
  if (values['pull'] !== 'never') die('the build may read moving tags: --pull=never is missing')
  if (values['network'] !== 'host') die('no network in this test')
  const context = positionals[0] ?? ''
  if (!statSync(context).isDirectory()) die(`no context ${context}`)
  for (const secret of list(values['secret'])) {
    const source = /^id=[\w.-]+,src=(.+)$/.exec(secret)?.[1]
    if (source === undefined || !statSync(source).isFile()) die(`bad secret ${secret}`)
  }
  const steps = readFileSync(String(values['file']), 'utf8').trim().split('\n')
  const built = runSteps(steps, context, list(values['build-arg']))
  for (const label of list(values['label'])) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(label) ?? die(`bad label ${label}`)
    built.labels[String(name)] = String(value)
  }
  built.id = createHash('sha256').update(JSON.stringify(built)).digest('hex')
  store.images[String(values['tag'])] = built
  console.log(`COMMIT ${values['tag']}\nSuccessfully tagged ${values['tag']}\n${built.id}`)
}

function runSteps(steps: string[], context: string, args: string[]): StoredImage {
  let made: StoredImage | undefined
  for (const [index, step] of steps.entries()) {
    console.log(`STEP ${index + 1}/${steps.length}: ${step}`)
    const [instruction = '', ...operands] = step.split(' ')
    if (instruction === 'FROM') {
      const base =
        store.images[operands[0] ?? ''] ?? die(`creating build container: ${operands[0]}: image not known`)
      made = structuredClone(base)
      if (args.length > 0) made.files['build-args'] = args.join('\n')
    } else if (instruction === 'COPY' && made) {
      made.files[operands[1] ?? ''] = readFileSync(join(context, operands[0] ?? ''), 'utf8')
    } else if (instruction === 'RUN' && operands[0] === 'fail') {
      console.log(
        `No match for argument: foo\nError: building at STEP "${step}": while running runtime: exit status 3`,
      )
      process.exit(3)
    } else if (instruction !== 'RUN') {
      die(`building at STEP "${step}": Build error: Unknown instruction: "${instruction}"`)
    }
  }
  return made ?? die('no FROM statement found')
}

function push(rest: string[]): void {
  const { values, positionals } = parse(
    rest,
    { digestfile: { type: 'string' }, authfile: { type: 'string' } },
    2,
  )
  const [source = '', target = ''] = positionals
  if (!target.startsWith('docker://')) die(`pushed to ${target}`)
  const digest = `sha256:${createHash('sha256').update(local(source).id).digest('hex')}`
  writeFileSync(String(values['digestfile']), digest)
  store.registry[target.slice('docker://'.length)] = local(source)
  console.log('Writing manifest to image destination')
}

function run(rest: string[]): void {
  const { values, positionals, tokens } = parse(rest, {
    rm: { type: 'boolean' },
    pull: { type: 'string' },
    privileged: { type: 'boolean' },
    network: { type: 'string' },
    'security-opt': { type: 'string' },
    volume: { type: 'string', multiple: true },
    type: { type: 'string', multiple: true },
    rootfs: { type: 'string' },
  })
  const [tool = '', tag = ''] = positionals
  local(tool)
  if (!tool.includes('@sha256:')) die('the disk builder is run by a moving tag')
  if (!values['rm'] || !values['privileged'] || values['pull'] !== 'never') die('missing options')
  if (values['security-opt'] !== 'label=type:unconfined_t') die('missing --security-opt')
  const toolAt = tokens.findIndex((token) => token.kind === 'positional')
  const early = tokens.findIndex(
    (token) => token.kind === 'option' && ['type', 'rootfs'].includes(token.name),
  )
  if (early !== -1 && early < toolAt) die(`unknown flag: --type`)
  const volumes = new Map(
    list(values['volume']).map((volume) => {
      const [source = '', destination = ''] = volume.split(':')
      return [destination, source]
    }),
  )
  if (volumes.get('/var/lib/containers/storage') !== '/var/lib/containers/storage') {
    refuse('could not access container storage, did you forget -v /var/lib/containers/storage:…?')
  }
  if (positionals.length !== 2) refuse(`accepts 1 arg(s), received ${positionals.length - 1}`)
  const bootable = store.images[tag]
  if (tag.includes('@') || !bootable) refuse(`failed to inspect the image: ${tag}`)
  const config = volumes.get('/config.toml')
  if (config !== undefined) bootable.files['config.toml'] = readFileSync(config, 'utf8')
  const disk = store.disk ?? die('this test has no disk builder')
  const output = volumes.get('/output') ?? die('no /output')
  for (const [path, base64] of Object.entries(disk.files)) {
    mkdirSync(dirname(join(output, path)), { recursive: true })
    writeFileSync(join(output, path), Buffer.from(base64, 'base64'))
  }
  process.stdout.write(disk.transcript)
  save()
  process.exit(disk.exitCode)
}

function parse(args: string[], options: ParseArgsOptionsConfig, positionalCount?: number) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true, strict: true, tokens: true })
    if (positionalCount !== undefined && parsed.positionals.length !== positionalCount) {
      die('wrong number of arguments')
    }
    return parsed
  } catch (error) {
    return die(String(error))
  }
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function local(name: string): StoredImage {
  return store.images[name] ?? die(`${name}: image not known`)
}

function refuse(text: string): never {
  console.error(`2026/06/18 09:07:14 error: cannot build manifest: ${text}`)
  process.exit(1)
}

function die(text: string): never {
  console.error(`Error: ${text}`)
  process.exit(125)
}

function save(): void {
  writeFileSync(file, JSON.stringify(store))
}
