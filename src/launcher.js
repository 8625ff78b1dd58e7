#!/usr/bin/env node
// Plain JavaScript that every Node understands, so that an old one can say what is wrong instead of a syntax error.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(`factory needs Node 24 or newer, and this is ${process.version}.`)
  console.error('Run it through npm, which brings its own Node: npx factory --help  (after: npm ci)')
  process.exitCode = 2
} else {
  // Compiling what a command imports takes longer than most commands: keep it from run to run.
  const [{ enableCompileCache }, { homedir }, { join }] = await Promise.all(
    ['node:module', 'node:os', 'node:path'].map((name) => import(name)),
  )
  try {
    const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
    enableCompileCache(join(cache, 'image-factory', 'compiled'))
  } catch {
    // A user without a home, as in some containers: it only takes longer.
  }
  // A reader that goes away (| head, a closed terminal) must not end a release: what is rented has to be given back.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const { main } = await import('./cli.ts')
  process.exitCode = await main(process.argv.slice(2))
}
