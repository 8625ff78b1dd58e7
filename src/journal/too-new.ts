import { FactoryError } from '#src/errors.ts'
import { journalVersion } from './records.ts'

/** A journal of a newer factory is left exactly as it is: what we do not know we cannot judge. */
export function tooNew(file: string, version: number): FactoryError {
  return new FactoryError({
    code: 'journal-too-new',
    message: `${file} holds records of version ${version}, and this factory knows versions up to ${journalVersion}`,
    hint: 'Use the newer factory that wrote it, or point FACTORY_HOME at another state directory.',
    class: 'user',
  })
}
