import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { EBSClient } from '@aws-sdk/client-ebs'
import { EC2Client } from '@aws-sdk/client-ec2'
import { IAMClient } from '@aws-sdk/client-iam'
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { S3Client } from '@aws-sdk/client-s3'
import { SSMClient } from '@aws-sdk/client-ssm'
import { STSClient } from '@aws-sdk/client-sts'
import type { AwsConfiguration } from './config.ts'
import { type Watched, sessionCredentials } from './credentials.ts'
import { giveUpSilence } from './silence.ts'

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
  /** Tries every call once, too: the file behind a part has to be opened anew for each try. */
  readonly s3: S3Client
  readonly ssm: SSMClient
  readonly sts: STSClient
}

/** Blocks on their way at once; the SDK's own limit of 50 sockets would hold them back. */
export const mostSockets = 64

const connectMs = 5_000
/** Most calls answer within a second; some listings of large accounts take several. */
const answerMs = 20_000
/** A machine is found and given its addresses before this one is answered. */
const machineMs = 30_000
/** A block of 512 KiB that got no answer until now never will: https://github.com/awslabs/coldsnap/issues/437 */
const blockAnswerMs = 12_000
/** A part of 64 MiB takes as long as the line needs; only one on which nothing moves any more is given up. */
const standstillMs = 60_000

/** Makes the clients of a configuration, each region's once. */
export function awsClients(configuration: AwsConfiguration): (region: string) => RegionClients {
  const { profile, endpoint } = configuration
  const { provider: credentials, watch: watchExpiry } = sessionCredentials(profile)
  const watch = <T extends Watched>(client: T) => giveUpSilence(watchExpiry(client))
  const regions = new Map<string, RegionClients>()
  const make = (region: string): RegionClients => {
    const common = { region, credentials, ...(endpoint === undefined ? {} : { endpoint }) }
    const patient = { ...common, maxAttempts: 5, requestHandler: answeredWithin(answerMs) }
    const oneMachine = { ...common, maxAttempts: 1, requestHandler: answeredWithin(machineMs) }
    const ec2 = made(() => watch(new EC2Client(patient)))
    const ec2Once = made(() => watch(new EC2Client(oneMachine)))
    const oneBlock = { ...common, maxAttempts: 1, requestHandler: answeredWithin(blockAnswerMs) }
    const ebs = made(() => watch(new EBSClient(oneBlock)))
    const iam = made(() => watch(new IAMClient(patient)))
    const quotas = made(() => watch(new ServiceQuotasClient(patient)))
    const s3 = made(() => watch(new S3Client({ ...common, ...bucketOptions(endpoint !== undefined) })))
    const ssm = made(() => watch(new SSMClient(patient)))
    const sts = made(() => watch(new STSClient(patient)))
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
      get s3() {
        return s3()
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

/** Checksums only where we give them: stores that are not Amazon's refuse the ones that the SDK adds since 3.729. */
function bucketOptions(forcePathStyle: boolean) {
  return {
    forcePathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: handler({ socketTimeout: standstillMs }),
    // Else it prints that it does not try a file again.
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  } as const
}

/** Without the throw the SDK would only print that the time is over, and go on waiting. */
function answeredWithin(requestTimeout: number) {
  return handler({ requestTimeout, throwOnRequestTimeout: true })
}

function handler(limit: { requestTimeout: number; throwOnRequestTimeout: true } | { socketTimeout: number }) {
  const sockets = { keepAlive: true, maxSockets: mostSockets }
  return {
    connectionTimeout: connectMs,
    ...limit,
    httpAgent: new HttpAgent(sockets),
    httpsAgent: new HttpsAgent(sockets),
  }
}

function made<T>(make: () => T): () => T {
  let thing: T | undefined
  return () => (thing ??= make())
}
