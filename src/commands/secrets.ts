import { readFile } from 'node:fs/promises'
import type { Configuration } from '#src/config/types.ts'
import { type Mask, createMask } from '#src/mask.ts'
import { credentialsFor } from '#src/registry/credentials.ts'
import type { ReleaseInputs } from '#src/release/inputs.ts'

/** A mask that knows every secret of a release: build secrets, and the credentials of the registries that it uses. */
export async function secretsOf(configuration: Configuration, inputs: ReleaseInputs): Promise<Mask> {
  const { source, authFile, push } = configuration.image
  const mask = createMask()
  const files = source.kind === 'containerfile' ? Object.values(source.secrets) : []
  for (const file of files) mask.add(await readFile(file, 'utf8').catch(() => ''))

  const images = [...inputs.bases, ...Object.values(inputs.diskBuilders), inputs.existing]
  const references = [...images.map((image) => image?.reference), push].filter((text) => text !== undefined)
  for (const { auth } of Object.values(await credentialsFor(references, authFile))) {
    mask.add(auth)
    mask.add(Buffer.from(auth, 'base64').toString().split(':').slice(1).join(':'))
  }
  return mask
}
