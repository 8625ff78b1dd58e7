import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { EBSClient } from '@aws-sdk/client-ebs'
import { EC2Client } from '@aws-sdk/client-ec2'
import { IAMClient } from '@aws-sdk/client-iam'
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { SSMClient } from '@aws-sdk/client-ssm'
import { STSClient } from '@aws-sdk/client-sts'
import { fromNodeProviderChain } from '@aws-sdk/credential-providers'
import type { AwsConfiguration } from './config.ts'

/** The services of one region; each client is made when it is first asked for. */
export interface RegionClients {
  readonly region: string
  readonly ec2: EC2Client
  /** Tries every call once: after a request for a machine that failed, somebody has to look before it is repeated. */
  readonly ec2Once: EC2Client
  /** Tries every call once: a call here is one block of many, and its retries are ours to pace. */
  readonly ebs: EBSClient
  readonly iam: IAMClient
  readonly quotas: ServiceQuotasClient
  readonly ssm: SSMClient
  readonly sts: STSClient
}

/** Blocks on their way at once; the SDK's own limit of 50 sockets would hold them back. */
export const mostSockets = 64

const connectMs = 5_000
const answerMs = 30_000
/** A block of 512 KiB that got no answer until now never will: https://github.com/awslabs/coldsnap/issues/437 */
const blockAnswerMs = 12_000

/** Makes the clients of a configuration, each region's once. */
export function awsClients(configuration: AwsConfiguration): (region: string) => RegionClients {
  const { profile, endpoint } = configuration
  const credentials = fromNodeProviderChain(profile === undefined ? {} : { profile })
  const regions = new Map<string, RegionClients>()
  const make = (region: string): RegionClients => {
    const common = { region, credentials, ...(endpoint === undefined ? {} : { endpoint }) }
    const patient = { ...common, maxAttempts: 5, requestHandler: handler(answerMs) }
    const ec2 = made(() => new EC2Client(patient))
    const ec2Once = made(() => new EC2Client({ ...patient, maxAttempts: 1 }))
    const ebs = made(
      () => new EBSClient({ ...common, maxAttempts: 1, requestHandler: handler(blockAnswerMs) }),
    )
    const iam = made(() => new IAMClient(patient))
    const quotas = made(() => new ServiceQuotasClient(patient))
    const ssm = made(() => new SSMClient(patient))
    const sts = made(() => new STSClient(patient))
    return {
      region,
      get ec2() {
        return ec2()
      },
      get ec2Once() {
        return ec2Once()
      },
      get ebs() {
        return ebs()
      },
      get iam() {
        return iam()
      },
      get quotas() {
        return quotas()
      },
      get ssm() {
        return ssm()
      },
      get sts() {
        return sts()
      },
    }
  }
  return (region) => {
    const known = regions.get(region) ?? make(region)
    regions.set(region, known)
    return known
  }
}

function handler(requestTimeout: number) {
  const sockets = { keepAlive: true, maxSockets: mostSockets }
  return {
    connectionTimeout: connectMs,
    requestTimeout,
    // Else the handler only warns.
    throwOnRequestTimeout: true,
    httpAgent: new HttpAgent(sockets),
    httpsAgent: new HttpsAgent(sockets),
  }
}

function made<T>(make: () => T): () => T {
  let thing: T | undefined
  return () => (thing ??= make())
}
