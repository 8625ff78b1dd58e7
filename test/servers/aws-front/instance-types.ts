import { Refusal } from './refusal.ts'

/** The families that people build on; the architecture is the family's. */
const families = {
  x86_64: 't2 t3 t3a m5 m5a m5d m6a m6i m6id m7a m7i c5 c5a c6a c6i c6id c7a c7i r5 r6i r7i i3 i3en i4i i7ie',
  arm64: 'a1 t4g m6g m6gd m7g m7gd m8g c6g c6gd c7g c7gd c7gn c8g r6g r7g r8g i4g im4gn is4gen',
} as const
const size = /^(nano|micro|small|medium|large|\d*xlarge|metal)$/

/** EC2's name of the architecture that machines of the type have; refuses a type that is in no family. */
export function architectureOf(instanceType: string): keyof typeof families {
  const [family = '', rest = ''] = instanceType.split('.', 2)
  for (const architecture of ['x86_64', 'arm64'] as const)
    if (size.test(rest) && families[architecture].split(' ').includes(family)) return architecture
  throw new Refusal({
    code: 'InvalidParameterValue',
    message: `Invalid value '${instanceType}' for InstanceType.`,
  })
}
