import { readFile } from 'node:fs/promises'
import type { BuilderAddress } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { AwsConfiguration } from '../config.ts'

export const testAddressesVariable = 'FACTORY_TEST_AWS_ADDRESSES'

/**
 * For tests only: what an emulator calls a machine has no address of its own, so the file that the variable names says
 * where each really answers, as `{"i-0123456789abcdef0": "127.0.0.1:2222"}`. Undefined when the setting does not count: it
 * does only where the endpoint of all services is on loopback. Where it counts there is no other way to a machine, so
 * nothing of a test gets out.
 */
export async function testAddress(
  { endpoint }: Pick<AwsConfiguration, 'endpoint'>,
  machine: string,
  file: string | undefined = process.env[testAddressesVariable],
): Promise<BuilderAddress | undefined> {
  if (!mapsAddresses({ endpoint }, file)) return undefined
  const addresses = await read(file)
  const [, host, port] = /^(127\.0\.0\.1|localhost):(\d{1,5})$/.exec(addresses[machine] ?? '') ?? []
  if (host === undefined) throw invalid(`${file} has no loopback address for ${machine}`)
  return { host, port: Number(port) }
}

/** Whether machines are reached by the file and not at addresses of their own. */
export function mapsAddresses(
  { endpoint }: Pick<AwsConfiguration, 'endpoint'>,
  file: string | undefined = process.env[testAddressesVariable],
): file is string {
  return file !== undefined && endpoint !== undefined && isLoopback(endpoint)
}

function isLoopback(endpoint: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(endpoint).hostname)
}

async function read(file: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
  } catch (cause) {
    throw invalid(`${testAddressesVariable} in the environment names ${file}, which holds no JSON`, cause)
  }
}

function invalid(message: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'aws-test-addresses',
    message,
    hint: `It is for tests only. Unset ${testAddressesVariable}.`,
    class: 'user',
    cause,
  })
}
