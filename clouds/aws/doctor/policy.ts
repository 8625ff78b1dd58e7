import type { AwsSettings } from '../settings.ts'
import { tagName } from '../tags.ts'
import { type Permission, permissionsFor } from './permissions.ts'

interface Statement {
  Sid: string
  Effect: 'Allow'
  Action: string[]
  Resource: string
  Condition?: Record<string, Record<string, string>>
}

/** The complete minimal policy for a configuration, ready to paste. */
export function completePolicy(settings: AwsSettings): string {
  return policyOf(settings, permissionsFor(settings.configuration))
}

/**
 * A policy with exactly these rights. What ends or changes things is allowed for those only that bear the owner's mark, so
 * the key of a factory is of no use against anything else in the account.
 */
export function policyOf(settings: AwsSettings, permissions: readonly Permission[]): string {
  const { owner, configuration } = settings
  const snapshots = `arn:${partitionOf(configuration.region)}:ec2:*::snapshot/*`
  const isEbs = ({ action }: Permission) => action.startsWith('ebs:')
  const isOurs = ({ ours }: Permission) => ours === true
  const statements: Statement[] = [
    {
      Sid: 'FactoryFindsAndMakes',
      Effect: 'Allow',
      Action: namesOf(permissions, (each) => !isEbs(each) && !isOurs(each)),
      Resource: '*',
    },
    { Sid: 'FactorySendsImages', Effect: 'Allow', Action: namesOf(permissions, isEbs), Resource: snapshots },
    {
      Sid: 'FactoryEndsItsOwn',
      Effect: 'Allow',
      Action: namesOf(permissions, isOurs),
      Resource: '*',
      Condition: { StringEquals: { [`aws:ResourceTag/${tagName('owner')}`]: owner } },
    },
  ]
  const Statement = statements.filter(({ Action }) => Action.length > 0)
  return JSON.stringify({ Version: '2012-10-17', Statement }, undefined, 2)
}

function namesOf(permissions: readonly Permission[], choose: (permission: Permission) => boolean): string[] {
  return permissions
    .filter(choose)
    .map(({ action }) => action)
    .toSorted()
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
}
