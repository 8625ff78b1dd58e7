import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes longer than half a minute, the longest first. */
const long = [
  'chaos/sweep',
  'clouds/aws-bucket-faults',
  'chaos/aws-sweep',
  'clouds/aws-publish-faults',
  'clouds/ibm-images',
  'clouds/ibm-lost-answers',
  'chaos/takeover',
  'clouds/libvirt',
  'clouds/libvirt-watchdog',
  'clouds/ssh-kills',
  'builder/network-faults',
  'clouds/openstack-lost-answers',
  'clouds/aws-bucket',
  'clouds/aws',
  'clouds/openstack-images',
  'web/browser',
  'clouds/ssh-hosts',
  'clouds/ssh-slot',
  'builder/transfer-faults',
  'chaos/ibm-sweep',
  'clouds/aws-doctor-account',
  'clouds/aws-images',
  'commands/serve',
  'builder/transfer',
  'clouds/libvirt-lease-end',
  'clouds/ibm',
]

/** One long file that begins when all others are done would be waited for alone. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = long.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return index === -1 ? long.length : index
    }
    // oxlint-disable-next-line unicorn/no-array-sort -- the order of a sequencer, not of an array
    const usual = await super.sort(files)
    return usual.toSorted((one, other) => rank(one) - rank(other))
  }
}
