import { quoteWord } from '#src/builder/quote.ts'
import type { IbmSettings } from '../settings.ts'
import { makingAuthorization } from './authorization.ts'

/**
 * The rights that a configuration needs, as commands for somebody who administers the account. IBM Cloud knows roles and
 * no single actions: Editor of VPC makes, marks and deletes images, machines, volumes and floating IPs; in a resource
 * group of its own the factory can do that to nothing else.
 */
export function completePolicy({ configuration }: IbmSettings): string {
  const { resourceGroup, bucket } = configuration
  const isId = /^[0-9a-f]{32}$/.test(resourceGroup ?? '')
  const scope = isId ? 'resource-group-id' : 'resource-group-name'
  const group = resourceGroup === undefined ? '' : ` --${scope} ${quoteWord(resourceGroup)}`
  const groupId = isId
    ? resourceGroup!
    : `"$(ibmcloud resource group ${quoteWord(resourceGroup ?? 'default')} --id)"`
  const grant = 'ibmcloud iam service-policy-create factory'
  return [
    'ibmcloud iam service-id-create factory',
    `${grant} --service-name is --roles Editor${group}`,
    // Of groups themselves IAM knows only ids.
    `${grant} --resource-type resource-group --resource ${groupId} --roles Viewer`,
    ...(bucket === undefined
      ? []
      : [
          `${grant} --service-name cloud-object-storage --resource-type bucket --resource ${quoteWord(bucket.name)} --roles Writer`,
          makingAuthorization,
        ]),
  ].join('\n')
}
