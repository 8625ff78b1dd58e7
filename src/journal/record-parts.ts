import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { cloudKinds } from '#clouds/types.ts'
import { failureClasses } from '#src/errors.ts'
import { stepNames } from '#src/events.ts'

/* What the journal's records are made of. */

export const architecture = z.enum(architectureNames)
export const format = z.enum(['raw', 'qcow2'])
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
export const place = { arch: architecture, step: z.enum(stepNames), target: z.string().optional() }

export const errorFacts = z.object({
  code: z.string(),
  class: z.enum(failureClasses),
  message: z.string(),
  hint: z.string().optional(),
})

export const lease = z.object({
  id: z.string(),
  owner: z.string(),
  release: z.string(),
  arch: architecture,
  expires: z.string(),
})

export const builderRef = z.object({
  leaseId: z.string(),
  arch: architecture,
  machine: z.string(),
  address: z.object({
    host: z.string(),
    port: z.number(),
    proxyCommand: z.array(z.string()).readonly().optional(),
  }),
  user: z.string(),
  hostPublicKey: z.string(),
  hostKeyExposed: z.boolean().optional(),
  dataDisk: z.string().optional(),
  /** At the prices that the configuration had when the machine was rented; absent in old journals. */
  rates: z
    .array(
      z.object({
        what: z.string(),
        price: z.object({ amount: z.number(), currency: z.string() }).optional(),
      }),
    )
    .readonly()
    .optional(),
})

export const artifact = z.object({
  arch: architecture,
  format,
  sha256,
  sizeBytes: z.number(),
  virtualBytes: z.number(),
  contentBytes: z.number(),
})

export const image = z.object({
  cloud: z.string(),
  kind: z.enum(cloudKinds),
  region: z.string(),
  arch: architecture,
  id: z.string(),
  name: z.string(),
  format,
  sha256,
  sizeBytes: z.number(),
  release: z.string(),
})

export const destination = z.object({
  cloud: z.string(),
  region: z.string(),
  arch: architecture,
  format,
  verify: z.boolean(),
})

export const tickOutcomes = ['released', 'nothing-changed', 'failed', 'skipped'] as const

/** Who chose, and why; absent where the engine did. */
export const decision = {
  by: z.string().optional(),
  why: z.string().optional(),
  forced: z.boolean().optional(),
}

export const imagePlace = { arch: architecture, cloud: z.string(), region: z.string(), imageId: z.string() }

/** Of a watching rule: a commit behind a git reference, a digest behind an image reference. */
export const seen = z.object({ source: z.string(), value: z.string() })

export const plannedBuild = z.object({ arch: architecture, buildKey: z.string(), why: z.string() })
