import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { permissionsFor } from '#clouds/aws/doctor/permissions.ts'

const folder = new URL('../../clouds/aws', import.meta.url).pathname
/** Everybody may ask who he is. */
const free = ['sts:GetCallerIdentity']
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
const byCall: Readonly<Record<string, string>> = {
  's3:HeadBucket': 's3:ListBucket',
  's3:ListObjectsV2': 's3:ListBucket',
  's3:ListMultipartUploads': 's3:ListBucketMultipartUploads',
  's3:ListParts': 's3:ListMultipartUploadParts',
  's3:HeadObject': 's3:GetObject',
  's3:CreateMultipartUpload': 's3:PutObject',
  's3:UploadPart': 's3:PutObject',
  's3:CompleteMultipartUpload': 's3:PutObject',
}
/** Asked for by a call of another name. */
const passed = 'iam:PassRole'

/** The action of every call in the source: `new XCommand(` and `paginateX(`, with the service that the class is imported from. */
function calledActions(): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  return files.flatMap((file) => {
    const source = readFileSync(join(folder, file), 'utf8')
    const imports = [...source.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-([\w-]+)'/g)]
    return imports.flatMap(([, names = '', service = '']) =>
      names
        .split(',')
        .map((name) => /^(?:paginate(\w+)|(\w+)Command)$/.exec(name.trim()))
        .flatMap((match) => (match ? `${service.replace('-', '')}:${match[1] ?? match[2]}` : [])),
    )
  })
}

test('every call of the adapter has its right in the table, and every right a call', () => {
  const configured = (change: object) =>
    awsConfiguration.parse({
      kind: 'aws',
      region: 'us-east-1',
      copyTo: ['eu-west-1'],
      base: { x86_64: { ssm: '/factory/base' } },
      spot: 'first',
      share: { accounts: ['210987654321'], public: true },
      deprecateAfter: '90d',
      ...change,
    })
  const ways = [{ method: 'ebs' }, { method: 's3', bucket: 'factory-images' }]
  const listed = ways.map((way) => permissionsFor(configured(way)).map(({ action }) => action))
  for (const actions of listed) expect(actions).toEqual([...new Set(actions)])
  const all = new Set(listed.flat())
  const called = new Set(calledActions().map((action) => byCall[action] ?? action))
  expect([...called].filter((action) => !all.has(action) && !free.includes(action))).toEqual([])
  expect([...all].filter((action) => !called.has(action))).toEqual([passed])
})
