import { readFile } from 'node:fs/promises'
import type { Configuration } from '#src/config/types.ts'
import { createMask } from '#src/mask.ts'

/** A mask that knows every secret of the configuration: build secrets and registry credentials. */
export async function secretsOf(configuration: Configuration): Promise<ReturnType<typeof createMask>> {
  const { source, authFile } = configuration.image
  const mask = createMask()
  const files = source.kind === 'containerfile' ? Object.values(source.secrets) : []
  for (const file of files) mask.add(await readFile(file, 'utf8').catch(() => ''))
  if (authFile !== undefined) addCredentials(mask, await readFile(authFile, 'utf8').catch(() => '{}'))
  return mask
}

/** containers-auth.json(5): base64 of `user:password`, or a token, for each registry. */
function addCredentials(mask: ReturnType<typeof createMask>, text: string): void {
  let parsed: { auths?: Record<string, { auth?: string; identitytoken?: string }> }
  try {
    parsed = JSON.parse(text) as typeof parsed
  } catch {
    return
  }
  for (const { auth, identitytoken } of Object.values(parsed.auths ?? {})) {
    if (auth !== undefined) {
      mask.add(auth)
      const password = Buffer.from(auth, 'base64').toString().split(':').slice(1).join(':')
      mask.add(password)
    }
    if (identitytoken !== undefined) mask.add(identitytoken)
  }
}
