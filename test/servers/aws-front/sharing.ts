import type { Operation } from './call.ts'
import { endOfDryRun } from './dry-run.ts'
import { endPublic } from './image-life.ts'
import { needImage } from './image-view.ts'
import { need } from './query.ts'
import { Refusal } from './refusal.ts'
import { ec2Answer } from './xml.ts'

/** Whether images may be made public, an account's own lock: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-public-access-to-amis.html */
export const getImageBlockPublicAccessState: Operation = async (call, world) => {
  endOfDryRun(call)
  const imageBlockPublicAccessState = world.settings.publicImages
  return ec2Answer('GetImageBlockPublicAccessState', { imageBlockPublicAccessState })
}

/** moto keeps the permissions; the lock is looked at here. */
export const modifyImageAttribute: Operation = async (call, world) => {
  const { parameters, region } = call
  const image = await needImage(world, region, need(parameters, 'ImageId'))
  const isPublic = Object.entries(parameters).some(
    ([key, value]) => /^(LaunchPermission\.Add\.\d+\.Group|UserGroup\.\d+)$/.test(key) && value === 'all',
  )
  if (isPublic && world.settings.publicImages === 'block-new-sharing')
    throw new Refusal({
      code: 'OperationNotPermitted',
      message: 'You cannot publicly share this AMI: block public access for AMIs is enabled in this account',
    })
  endOfDryRun(call)
  const answer = await world.upstream.forward(call)
  if (isPublic) endPublic(world, image)
  return answer
}

/** moto answers, and knows no dry run of it. */
export const describeImageAttribute: Operation = async (call, world) => {
  await needImage(world, call.region, need(call.parameters, 'ImageId'))
  endOfDryRun(call)
  return world.upstream.forward(call)
}
