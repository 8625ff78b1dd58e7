/** Those of the OS_* variables that open something. */
const secretNames = ['OS_PASSWORD', 'OS_APPLICATION_CREDENTIAL_SECRET', 'OS_TOKEN'] as const

const kept: Record<string, string> = {}

/**
 * The environment with the secrets that we were started with. They are taken out of that of this process, for all that it
 * starts would be given them, too.
 */
export function openstackEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  for (const name of secretNames) {
    const value = environment[name]
    if (value === undefined) continue
    kept[name] = value
    delete environment[name]
  }
  return { ...environment, ...kept }
}
