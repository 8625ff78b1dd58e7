import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'
import { type BucketPlace, elsewhere } from './bucket-failures.ts'

/** How an import ended, in AWS's words. */
export interface EndedImport {
  readonly id: string
  readonly status: string
  readonly message: string | undefined
}

type Reading = Pick<FactoryErrorFacts, 'class' | 'hint'>

/** https://docs.aws.amazon.com/vm-import/latest/userguide/troubleshoot-vmimport.html */
const readings: readonly [RegExp, Reading][] = [
  [
    /access to the S3|permission|AccessDenied|Status Code: 403|kms/i,
    {
      class: 'permission',
      hint: 'Look at the role that AWS reads the bucket with: docs/clouds/aws.md has its policy (with kms:Decrypt for a bucket that is encrypted by a key of yours).',
    },
  ],
  [
    /^ClientError/,
    {
      class: 'user',
      hint: 'AWS does not take this disk. Leave out `method: s3`: by EBS direct any disk can be sent.',
    },
  ],
]

export function importFailed({ id, status, message }: EndedImport, region: string): FactoryError {
  const said = message ?? ''
  const [, reading] = readings.find(([pattern]) => pattern.test(said)) ?? []
  return new FactoryError({
    code: 'aws-import-failed',
    message: `the import ${id} in ${region} ended as ${status}: ${said === '' ? 'AWS says no more' : said}`,
    ...(reading ?? { class: 'infra', hint: 'Run the same command again: the disk is sent once more.' }),
  })
}

/** Why AWS did not even begin with an import, where its own words do not say what to do. */
export function importRefused(error: unknown, role: string, place: BucketPlace): FactoryError | undefined {
  const said = error instanceof Error ? error.message : ''
  if (/service role/i.test(said)) return missingRole(role, place, error)
  if (/not local to the region/i.test(said)) return elsewhere(undefined, place, error)
  return undefined
}

export function missingRole(role: string, { cloud, bucket }: BucketPlace, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'aws-import-role',
    message: `there is no role ${role} that AWS could read the bucket ${bucket} with, or it may not be taken by vmie.amazonaws.com`,
    hint: `Make it as docs/clouds/aws.md says, or name another one in clouds.${cloud}.importRole; or leave out \`method: s3\`, which needs no role.`,
    class: 'user',
    cause,
  })
}
