const isolated: Record<string, string> = {
  'us-iso-': 'aws-iso',
  'us-isob-': 'aws-iso-b',
  'eu-isoe-': 'aws-iso-e',
  'us-isof-': 'aws-iso-f',
}

/**
 * The part of AWS that a region is in, as ARNs name it. Parts share neither accounts nor images: nothing is copied from one
 * to another, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html
 */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  if (region.startsWith('us-gov-')) return 'aws-us-gov'
  return Object.entries(isolated).find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'aws'
}
