import { ownerPrefix } from '../images/bucket-keys.ts'
import { partitionOf } from '../partition.ts'
import type { AwsSettings } from '../settings.ts'
import { tagName } from '../tags.ts'
import { type Permission, importService, permissionsFor } from './permissions.ts'

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
 * that no mistake of the factory ends anything else. Whoever has its key and means harm could set the mark first: marking
 * has no condition, because the snapshot of an import bears no mark until the factory sets it.
 */
export function policyOf(settings: AwsSettings, permissions: readonly Permission[]): string {
  const { owner, configuration } = settings
  const { region, bucket, importRole } = configuration
  const partition = partitionOf(region)
  const ours = { StringEquals: { [`aws:ResourceTag/${tagName('owner')}`]: owner } }
  const passed = { StringEquals: { 'iam:PassedToService': importService } }
  const objects = `arn:${partition}:s3:::${bucket}`
  const parts: [string, (permission: Permission) => boolean, string, Statement['Condition']?][] = [
    ['FactoryFindsAndMakes', (each) => !each.ours && isGeneral(each), '*'],
    ['FactorySendsImages', ({ action }) => action.startsWith('ebs:'), `arn:${partition}:ec2:*::snapshot/*`],
    ['FactoryLooksIntoBucket', ({ on }) => on === 'bucket', objects],
    ['FactoryUsesBucket', ({ on }) => on === 'object', `${objects}/${ownerPrefix(owner)}*`],
    ['FactoryLetsImport', ({ on }) => on === 'role', `arn:${partition}:iam::*:role/${importRole}`, passed],
    ['FactoryEndsItsOwn', (each) => each.ours === true, '*', ours],
  ]
  const Statement = parts.flatMap(([Sid, choose, Resource, Condition]): Statement[] => {
    const Action = namesOf(permissions, choose)
    if (Action.length === 0) return []
    return [{ Sid, Effect: 'Allow', Action, Resource, ...(Condition ? { Condition } : {}) }]
  })
  return JSON.stringify({ Version: '2012-10-17', Statement }, undefined, 2)
}

function isGeneral({ action, on }: Permission): boolean {
  return !action.startsWith('ebs:') && on !== 'bucket' && on !== 'object' && on !== 'role'
}

function namesOf(permissions: readonly Permission[], choose: (permission: Permission) => boolean): string[] {
  return permissions
    .filter(choose)
    .map(({ action }) => action)
    .toSorted()
}
