import { homeOf } from './bucket-home.ts'
import { need } from './query.ts'
import type { Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'

/** The object that is imported. */
export interface ImportSource {
  readonly bucket: string
  readonly key: string
  readonly format: 'RAW' | 'VMDK' | 'VHD'
  /** Of the object. */
  readonly bytes: number
}

const formats = ['RAW', 'VMDK', 'VHD'] as const

/** The object, if it is there, in a bucket of this very region. */
export async function needSource(
  parameters: Parameters,
  world: World,
  region: string,
): Promise<ImportSource> {
  const said = need(parameters, 'DiskContainer.Format').toUpperCase()
  const format = formats.find((each) => each === said)
  if (!format) throw wrong(`The disk container format ${said} is not one of ${formats.join(', ')}.`)
  const bucket = need(parameters, 'DiskContainer.UserBucket.S3Bucket')
  const key = need(parameters, 'DiskContainer.UserBucket.S3Key')
  const path = `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
  const home = await homeOf(bucket, region, world)
  const object = await world.upstream.ask({ service: 's3', region, method: 'HEAD', path })
  if (home === undefined || object.status !== 200)
    throw wrong(`User does not have access to the S3 object (${bucket}/${key}).`)
  if (home !== region)
    throw wrong(`The given S3 object is not local to the region. The object must be located in ${region}.`)
  return { bucket, key, format, bytes: Number(object.headers['content-length'] ?? 0) }
}

/** https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html: VM Import has to be able to take the role. */
export async function needRole(name: string, world: World): Promise<void> {
  const answer = await world.upstream.ask({
    service: 'iam',
    region: 'us-east-1',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: new URLSearchParams({ Action: 'GetRole', Version: '2010-05-08', RoleName: name }).toString(),
  })
  const trust = decodeURIComponent(String(answer.body))
  if (answer.status === 200 && trust.includes('vmie.amazonaws.com')) return
  throw wrong(`The service role ${name} provided does not exist or does not have sufficient permissions`)
}

function wrong(message: string): Refusal {
  return new Refusal({ code: 'InvalidParameter', message })
}
