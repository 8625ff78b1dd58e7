import { randomBytes } from 'node:crypto'
import type { Tag } from '@aws-sdk/client-ec2'
import type { AwsForTests } from '#test/servers/aws-test.ts'
import type { Effect } from '#test/servers/aws-front/faults.ts'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { type RegionHoldings, holdingsIn, identityOnDisk, machineIn, mark } from './aws-account.ts'
import { isReading, partsOfPoint } from './cloud-points.ts'
import type { Struck, WorldCloud } from './cloud-worlds.ts'

export const regions = ['us-east-1', 'eu-west-1'] as const
const [region, ...copyTo] = regions

export interface AwsCloud extends WorldCloud {
  readonly front: AwsFront
  strike(request: string, effect: Effect): Struck
  holdings(): Promise<RegionHoldings[]>
}

/** Nothing is pending for as long as one look, so a run takes a second and a half and not five. */
const polls = { snapshot: 0, image: 0, instance: 0, import: 0 }

/** An account of AWS that is empty. */
export async function awsCloud(account: AwsForTests): Promise<AwsCloud> {
  const front = await account.front({ polls: { ...polls } })
  const { endpoint } = front
  const holdings = () => Promise.all(regions.map((each) => holdingsIn(front, each)))
  const machines = async () => (await holdings()).flatMap((each) => each.machines)
  return {
    front,
    account: {
      kind: 'aws',
      owner: `t-${randomBytes(4).toString('hex')}`,
      format: 'raw',
      configuration: {
        kind: 'aws',
        region,
        copyTo,
        endpoint,
        base: { x86_64: { ami: baseImages.x86_64.id }, aarch64: { ami: baseImages.aarch64.id } },
        instanceTypes: { x86_64: ['m5.large'], aarch64: ['m6g.large'] },
        share: { accounts: ['210987654321'] },
        deprecateAfter: '90d',
      },
    },
    regions,
    changes: () =>
      front.requests.flatMap(({ action, region: where }) => (isReading(action) ? [] : `${action} ${where}`)),
    forgetRequests: () => front.forgetRequests(),
    strike(request, effect) {
      const { name, number } = partsOfPoint(request)
      const [action = '', where = ''] = name.split(' ')
      return front.inject({ action, region: where, after: number - 1, times: 1, effect })
    },
    async answerOf(id) {
      const found = await Promise.all(regions.map((each) => machineIn(front, each, id)))
      const index = found.findIndex((one) => one?.State?.Name === 'running')
      return index < 0 ? undefined : await identityOnDisk(front, regions[index]!, found[index]!.ImageId!)
    },
    living: async () => leasesOf((await machines()).filter(({ State }) => State?.Name !== 'terminated')),
    started: async () => leasesOf(await machines()),
    async others() {
      const broken = front.requests.filter(({ refusal }) => refusal === 'FrontBroken')
      return [
        ...(await holdings()).flatMap((each) => each.others),
        ...broken.map(({ action }) => `the front broke at ${action}`),
      ]
    },
    holdings,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  }
}

function leasesOf(machines: readonly { Tags?: Tag[] | undefined }[]): string[] {
  return machines.map(({ Tags }) => mark(Tags, 'lease') ?? 'without a lease')
}
