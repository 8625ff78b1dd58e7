import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'

interface ServedImage {
  configuration: Configuration
}

/** Images of one process share nothing: each has a journal, an address and an owner of its own. Throws `serve-shared`. */
export function refuseShared(images: readonly ServedImage[]): void {
  const seen = new Map<string, string>()
  for (const { configuration } of images) {
    const { file, stateDirectory, serve, owner } = configuration
    const address = serve.port === 0 ? [] : [`the address ${serve.host}:${serve.port} (serve.listen)`]
    for (const thing of [`the state directory ${stateDirectory}`, `the owner ${owner}`, ...address]) {
      const other = seen.get(thing)
      if (other !== undefined) throw shared(other, file, thing)
      seen.set(thing, file)
    }
  }
}

function shared(one: string, other: string, thing: string): FactoryError {
  return new FactoryError({
    code: 'serve-shared',
    message: `${one} and ${other} both want ${thing}`,
    hint: 'Put each configuration into a directory of its own, leave FACTORY_HOME unset, and give each its own image.name (or owner) and serve.listen.',
    class: 'user',
  })
}
