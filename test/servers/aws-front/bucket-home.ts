import type { Answer, Call } from './call.ts'
import { Refusal, refusalAnswer } from './refusal.ts'
import type { World } from './world.ts'

/** Anything that one may ask in any region. */
const anywhere = new Set(['CreateBucket', 'ListBuckets', 'GetBucketLocation'])

/** S3 sends whoever asks in the wrong region to the right one; moto answers everywhere. */
export async function elsewhere(call: Call, world: World): Promise<Answer | undefined> {
  const { Bucket } = call.parameters
  if (call.service !== 's3' || Bucket === undefined || anywhere.has(call.action)) return undefined
  const home = await homeOf(Bucket, call.region, world)
  if (home === undefined || home === call.region) return undefined
  const message =
    'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.'
  const answer = refusalAnswer('s3', new Refusal({ code: 'PermanentRedirect', status: 301, message }))
  return { ...answer, headers: { ...answer.headers, 'x-amz-bucket-region': home } }
}

/** Undefined when there is no such bucket. */
export async function homeOf(bucket: string, region: string, world: World): Promise<string | undefined> {
  const answer = await world.upstream.ask({
    service: 's3',
    region,
    method: 'GET',
    path: `/${bucket}?location`,
  })
  if (answer.status !== 200) return undefined
  const [, found] = /<LocationConstraint[^>]*>([^<]+)</.exec(String(answer.body)) ?? []
  // The first region has no name there.
  return found === undefined || found === 'None' ? 'us-east-1' : found
}
