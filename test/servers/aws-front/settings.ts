import type { Credential } from './authentication.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { ImportTask } from './import.ts'
import type { NoCapacity } from './instances.ts'
import { allowAll } from './policy.ts'
import type { PolicyDocument } from './policy.ts'

/** What tests turn, at any time; the front reads them at each request. */
export interface FrontSettings {
  credentials: Credential[]
  /** What every key may do: real calls, dry runs and simulations are answered from it. */
  policy: PolicyDocument
  /** What simulations are answered from instead, when IAM shall be wrong about itself. */
  simulated: PolicyDocument | undefined
  /** Describe calls that still show the state before: a snapshot pending after its completion, an image pending, a machine pending or shutting down, an import active. */
  polls: { snapshot: number; image: number; instance: number; import: number }
  /** Calls that do not know a new thing yet, each thing for itself: EC2 and EBS agree with themselves only after a while. */
  unknownFor: { snapshot: number; image: number; instance: number }
  noCapacity: NoCapacity[]
  /** Runs the machines for real. */
  hypervisor: Hypervisor | undefined
  /** Regions where a copied image ends as failed. */
  failingCopies: string[]
  /** How imports end; `deleting` and `cancelling` become `deleted` and `cancelled` by themselves. */
  importOutcome: { status: ImportTask['status']; statusMessage: string }
  /** The role of spot machines: accounts that never had one lack it. */
  spotRole: 'there' | 'missing'
  /** Whether images may be made public. */
  publicImages: 'unblocked' | 'block-new-sharing'
  /** `ec2/L-1216C47A` → value; what is not here does not exist. */
  quotas: Record<string, number>
  /** Largest page of a Describe or List answer, whatever is asked for. */
  pageSize: number | undefined
  /** What a minute of a snapshot's Timeout takes. */
  minuteMs: number
  /** The cloud's clock minus ours. */
  clockSkewMs: number
}

export function defaultSettings(): FrontSettings {
  return {
    credentials: [{ accessKeyId: 'test', secretAccessKey: 'test' }],
    policy: allowAll,
    simulated: undefined,
    polls: { snapshot: 1, image: 1, instance: 1, import: 2 },
    unknownFor: { snapshot: 0, image: 0, instance: 0 },
    noCapacity: [],
    hypervisor: undefined,
    failingCopies: [],
    importOutcome: { status: 'completed', statusMessage: '' },
    spotRole: 'there',
    publicImages: 'unblocked',
    quotas: {},
    pageSize: undefined,
    minuteMs: 60_000,
    clockSkewMs: 0,
  }
}
