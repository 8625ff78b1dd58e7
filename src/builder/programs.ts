import { FactoryError } from '#src/errors.ts'
import { bash } from './shell.ts'
import type { Builder } from './types.ts'

/** What the bytes of a build travel by; it is first needed when the build is over. */
const needed = ['tar', 'zstd']

/** Throws `builder-program-missing` where a builder lacks what it will need when everything is built. */
export async function needPrograms(builder: Builder): Promise<void> {
  const script = 'for program; do command -v "$program" >/dev/null || echo "missing $program"; done'
  const { stdout } = await builder.exec(bash(script, ...needed))
  const missing = needed.filter((program) => stdout.split('\n').includes(`missing ${program}`))
  if (missing.length === 0) return
  throw new FactoryError({
    code: 'builder-program-missing',
    message: `the ${builder.ref.arch} builder ${builder.ref.machine} has no ${missing.join(' and no ')}`,
    hint: `Install ${missing.join(' and ')} in the base image of the builders. Nothing was built.`,
    class: 'user',
  })
}
