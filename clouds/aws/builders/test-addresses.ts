import type { BuilderAddress } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { AwsConfiguration } from '../config.ts'

export const testAddressesVariable = 'FACTORY_TEST_AWS_ADDRESSES'

/**
 * For tests only: emulators start no machines, so the test says where a machine of each architecture answers instead,
 * as `{"x86_64": "127.0.0.1:2222"}`. Nobody is sent to another address while a real AWS is spoken to: the setting counts
 * only where the endpoint of all services is on loopback.
 */
export function testAddress(
  { endpoint }: Pick<AwsConfiguration, 'endpoint'>,
  arch: string,
  environment: NodeJS.ProcessEnv = process.env,
): BuilderAddress | undefined {
  const written = environment[testAddressesVariable]
  if (written === undefined || endpoint === undefined || !isLoopback(endpoint)) return undefined
  const [, host, port] = /^(127\.0\.0\.1|localhost):(\d{1,5})$/.exec(read(written)[arch] ?? '') ?? []
  return host === undefined ? undefined : { host, port: Number(port) }
}

function isLoopback(endpoint: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(endpoint).hostname)
}

function read(written: string): Record<string, string> {
  try {
    return JSON.parse(written) as Record<string, string>
  } catch (cause) {
    throw new FactoryError({
      code: 'aws-test-addresses',
      message: `${testAddressesVariable} in the environment is no JSON`,
      hint: `It is for tests only. Unset it, or write {"x86_64": "127.0.0.1:2222"}.`,
      class: 'user',
      cause,
    })
  }
}
