import { Refusal } from './refusal.ts'
import type { World } from './world.ts'

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html */
const nameForm = /^[a-zA-Z0-9()[\] ./\-'@_]{3,128}$/

/** Takes the name before moto is asked, so that of two at once only one gets it. */
export async function withName(
  world: World,
  region: string,
  name: string,
  make: () => Promise<string | undefined>,
): Promise<string> {
  needFreeName(world, region, name)
  const key = nameKey(region, name)
  world.imageNames.set(key, 'another image that is being made')
  try {
    const id = await make()
    if (id === undefined) throw new Error('moto gave the new image no id')
    world.imageNames.set(key, id)
    return id
  } catch (error) {
    world.imageNames.delete(key)
    throw error
  }
}

export function nameKey(region: string, name: string): string {
  return `${region} ${name}`
}

/** Names are unique in an account and region: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html */
export function needFreeName(world: World, region: string, name: string): void {
  if (!nameForm.test(name))
    throw new Refusal({
      code: 'InvalidAMIName.Malformed',
      message:
        "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'",
    })
  const namesake = world.imageNames.get(nameKey(region, name))
  if (namesake !== undefined)
    throw new Refusal({
      code: 'InvalidAMIName.Duplicate',
      message: `AMI name ${name} is already in use by AMI ${namesake}`,
    })
}
