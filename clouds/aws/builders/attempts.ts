import type { AwsConfiguration } from '../config.ts'
import { forRegion } from '../config.ts'

/** One way of asking for a machine. */
export interface Attempt {
  instanceType: string
  /** Absent: wherever the default VPC has a place. */
  subnet?: string | undefined
  spot: boolean
}

/** More than this nobody waits for; spot and on-demand have half of it each, so that neither crowds out the other. */
const mostAttempts = 60

/** Every way that the configuration allows, in the order of preference: spot before on-demand, types, subnets. */
export function attemptsFor(
  configuration: AwsConfiguration,
  region: string,
  instanceTypes: readonly string[],
): Attempt[] {
  const markets = configuration.spot === 'first' ? [true, false] : [false]
  const named = forRegion<string>(configuration, configuration.subnets, region)
  const subnets = named.length === 0 ? [undefined] : named
  return markets.flatMap((spot) =>
    instanceTypes
      .flatMap((instanceType) => subnets.map((subnet) => ({ instanceType, subnet, spot })))
      .slice(0, mostAttempts / markets.length),
  )
}

/**
 * The idempotency token of an attempt: EC2 answers it with the machine that it gave before, also when that answer was
 * lost. It follows from the lease alone, without a time, and has at most 64 characters. A machine that has ended keeps
 * its token for a while, so `ended` says how many of this attempt have.
 */
export function clientToken(leaseId: string, attempt: number, ended = 0): string {
  return `factory-${leaseId}.${attempt}${ended === 0 ? '' : `.${ended}`}`
}

/** The attempt that a token is of; undefined when it is of none of this lease's. */
export function attemptOf(token: string | undefined, leaseId: string): number | undefined {
  const prefix = `factory-${leaseId}.`
  if (!token?.startsWith(prefix)) return undefined
  const [, attempt] = /^(\d{1,3})(?:\.\d{1,3})?$/.exec(token.slice(prefix.length)) ?? []
  return attempt === undefined ? undefined : Number(attempt)
}

/** Every token of a lease, as filters of EC2 write it. */
export function everyToken(leaseId: string): string {
  return `factory-${leaseId}.*`
}

/** For people: `m6i.large (spot) in subnet-0abc`. */
export function described({ instanceType, subnet, spot }: Attempt): string {
  return `${instanceType}${spot ? ' (spot)' : ''}${subnet === undefined ? '' : ` in ${subnet}`}`
}
