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
  const group = resourceGroup === undefined ? '' : ` --resource-group-name ${quoteWord(resourceGroup)}`
  const which = resourceGroup === undefined ? 'default' : resourceGroup
  const grant = 'ibmcloud iam service-policy-create factory'
  return [
    'ibmcloud iam service-id-create factory',
    `${grant} --service-name is --roles Editor${group}`,
    `${grant} --resource-type resource-group --resource ${quoteWord(which)} --roles Viewer`,
    ...(bucket === undefined
      ? []
      : [
          `${grant} --service-name cloud-object-storage --resource-type bucket --resource ${quoteWord(bucket.name)} --roles Writer`,
          makingAuthorization,
        ]),
  ].join('\n')
}
