import ssh2 from 'ssh2'

/** What is wrong with the text of a private key file, to log in with; undefined when nothing is. */
export function loginKeyProblem(text: string): string | undefined {
  const parsed = ssh2.utils.parseKey(text)
  if (parsed instanceof Error) return `cannot be used: ${parsed.message}`
  return parsed.isPrivateKey() ? undefined : 'is no private key'
}
