import { type Instance, type InstanceTypeInfo, paginateDescribeInstances } from '@aws-sdk/client-ec2'
import { GetServiceQuotaCommand } from '@aws-sdk/client-service-quotas'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'
import { describeTypes } from '../builders/instance-types.ts'
import { everyItem } from '../pages.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'

/** The two that a new account is short of: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html */
export const processorQuotas = {
  onDemand: { ServiceCode: 'ec2', QuotaCode: 'L-1216C47A' },
  spot: { ServiceCode: 'ec2', QuotaCode: 'L-34B43A08' },
} as const

type Market = keyof typeof processorQuotas

/** The families that share these quotas; all others have their own. */
const standardType = /^[acdhimrtz]\d/

/**
 * Whether the account's quotas leave processors for one machine of each type, the first of each architecture. Fewer are a
 * warning as long as one machine fits: builds of architectures then wait for each other.
 */
export async function* lookAtQuotas(
  settings: AwsSettings,
  instanceTypes: readonly string[],
  ctx: Context,
): AsyncIterable<Finding> {
  const { region, spot } = settings.configuration
  const wanted = [...new Set(instanceTypes)].filter((type) => standardType.test(type))
  if (wanted.length === 0) return
  const markets: Market[] = spot === 'first' ? ['spot', 'onDemand'] : ['onDemand']
  for (const market of markets) {
    const subject = `${market === 'spot' ? 'spot' : 'on-demand'} processors in ${region}`
    yield await finding(subject, () => lookAtQuota(settings, market, wanted, ctx))
  }
}

async function lookAtQuota(
  settings: AwsSettings,
  market: Market,
  wanted: readonly string[],
  ctx: Context,
): Promise<Omit<Finding, 'subject'>> {
  const quota = await quotaOf(settings, market, ctx)
  if (quota === undefined) return { severity: 'ok', message: 'AWS names no quota for them' }
  const { region } = settings.configuration
  const running = await runningIn(settings, market, ctx)
  const names = [...wanted, ...running.map(({ InstanceType = '' }) => InstanceType)]
  const types = await describeTypes(settings, [...new Set(names)], region, ctx)
  const used = sum(running.map(({ InstanceType = '' }) => processorsOf(types.get(InstanceType))))
  const needs = wanted.map((type) => processorsOf(types.get(type)))
  const message = `${quota - used} of ${quota} are free; one machine of ${wanted.join(' and one of ')} needs ${sum(needs)}`
  if (quota - used >= sum(needs)) return { severity: 'ok', message }
  const hint = `Ask for more: aws service-quotas request-service-quota-increase --region ${region} --service-code ec2 --quota-code ${processorQuotas[market].QuotaCode} --desired-value ${used + sum(needs)}`
  const someFits = needs.some((need) => quota - used >= need)
  return { severity: someFits || market === 'spot' ? 'warning' : 'error', message, hint }
}

async function quotaOf(settings: AwsSettings, market: Market, ctx: Context): Promise<number | undefined> {
  const { region } = settings.configuration
  const { quotas } = settings.clients(region)
  try {
    const answer = await call('looking at quotas', region, ctx, (options) =>
      quotas.send(new GetServiceQuotaCommand(processorQuotas[market]), options),
    )
    return answer.Quota?.Value
  } catch (error) {
    if (awsErrorName(error) === 'NoSuchResourceException') return undefined
    throw error
  }
}

/** Machines of everybody in the account, of the types that share the quota. */
async function runningIn(settings: AwsSettings, market: Market, ctx: Context): Promise<Instance[]> {
  const { region } = settings.configuration
  const { ec2 } = settings.clients(region)
  const Filters = [{ Name: 'instance-state-name', Values: ['pending', 'running'] }]
  const reservations = await call('looking at machines', region, ctx, ({ abortSignal }) =>
    everyItem(
      paginateDescribeInstances(
        { client: ec2, pageSize: settings.pageSize ?? 1000 },
        { Filters },
        { abortSignal },
      ),
      ({ Reservations }) => Reservations,
    ),
  )
  return reservations
    .flatMap(({ Instances = [] }) => Instances)
    .filter(({ InstanceType = '' }) => standardType.test(InstanceType))
    .filter(({ InstanceLifecycle }) => (InstanceLifecycle === 'spot') === (market === 'spot'))
}

function processorsOf(type: InstanceTypeInfo | undefined): number {
  return type?.VCpuInfo?.DefaultVCpus ?? 0
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
