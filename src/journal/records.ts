import { z } from 'zod'
import { imageMarks } from '#clouds/types.ts'
import {
  architecture,
  artifact,
  builderRef,
  decision,
  destination,
  errorFacts,
  image,
  imagePlace,
  lease,
  place,
  plannedBuild,
  seen,
  sha256,
  tickOutcomes,
} from './record-parts.ts'

/** Raised when a record changes its meaning; a journal with a newer one is refused. */
export const journalVersion = 3

/**
 * One transition each. Everything that the factory knows about the past is derived from these by replay;
 * no record is ever changed or taken back, and none holds a secret.
 */
export const journalRecord = z.discriminatedUnion('type', [
  z.object({ type: z.literal('engine-started'), epoch: z.int(), pid: z.int(), host: z.string() }),
  z.object({
    type: z.literal('release-opened'),
    release: z.string(),
    key: z.string(),
    owner: z.string(),
    imageName: z.string(),
    inputs: z.unknown(),
    builds: z.array(plannedBuild),
    destinations: z.array(destination),
  }),
  z.object({
    type: z.literal('release-resumed'),
    release: z.string(),
    /** What the clouds could not tell of an adopted release, and the plan that goes on with it knows. */
    adopted: z
      .object({ inputs: z.unknown(), builds: z.array(plannedBuild), destinations: z.array(destination) })
      .optional(),
  }),
  z.object({ type: z.literal('step-started'), release: z.string(), ...place }),
  z.object({
    type: z.literal('step-finished'),
    release: z.string(),
    ...place,
    durationMs: z.number(),
    summary: z.string(),
  }),
  z.object({
    type: z.literal('step-failed'),
    release: z.string(),
    ...place,
    durationMs: z.number(),
    error: errorFacts,
  }),
  z.object({
    type: z.literal('lease-taken'),
    release: z.string(),
    cloud: z.string(),
    lease,
    purpose: z.enum(['build', 'verify']),
    dataBytes: z.number(),
    leaseMs: z.number().optional(),
    image: image.optional(),
    target: z.string().optional(),
  }),
  z.object({ type: z.literal('lease-acquired'), release: z.string(), ref: builderRef }),
  z.object({
    type: z.literal('lease-prolonged'),
    release: z.string(),
    leaseId: z.string(),
    expires: z.string(),
  }),
  /** A machine with our tags that no record spoke of; it can only be given back. */
  z.object({ type: z.literal('lease-found'), release: z.string(), cloud: z.string(), lease }),
  z.object({ type: z.literal('lease-kept'), release: z.string(), leaseId: z.string() }),
  z.object({ type: z.literal('lease-released'), release: z.string(), leaseId: z.string() }),
  z.object({
    type: z.literal('container-built'),
    release: z.string(),
    arch: architecture,
    imageId: z.string(),
    sizeBytes: z.number(),
  }),
  z.object({
    type: z.literal('container-pushed'),
    release: z.string(),
    arch: architecture,
    digest: z.string(),
  }),
  z.object({
    type: z.literal('index-written'),
    release: z.string(),
    reference: z.string(),
    digest: z.string(),
  }),
  z.object({
    type: z.literal('artifacts-collected'),
    release: z.string(),
    arch: architecture,
    buildKey: z.string(),
    identity: z.string(),
    /** Digest of the pushed container manifest, where `image.push` is set. */
    pushedDigest: z.string().optional(),
    artifacts: z.array(artifact),
  }),
  z.object({ type: z.literal('image-published'), release: z.string(), image }),
  z.object({
    type: z.literal('image-verified'),
    release: z.string(),
    imageId: z.string(),
    arch: architecture,
    cloud: z.string(),
    region: z.string(),
    result: z.enum(['passed', 'failed', 'not verified']),
    how: z.string(),
    bootMs: z.number().optional(),
  }),
  /** Of `promoted` the release that it pointed to before becomes `previous`. */
  z.object({
    type: z.literal('channel-moved'),
    channel: z.enum(['candidate', 'promoted']),
    release: z.string(),
    ...decision,
  }),
  z.object({ type: z.literal('release-ignored'), release: z.string(), ...decision }),
  /** Kept by `factory gc` whatever its age, until it is unpinned. */
  z.object({ type: z.literal('release-pinned'), release: z.string(), pinned: z.boolean(), ...decision }),
  /** What the cloud was told of an image's place in the channels. */
  z.object({
    type: z.literal('image-marked'),
    release: z.string(),
    ...imagePlace,
    mark: z.enum(imageMarks),
  }),
  /** A tombstone: the image was there, and `why` it was removed. Written before it is. */
  z.object({ type: z.literal('image-removing'), release: z.string(), ...imagePlace, why: z.string() }),
  z.object({ type: z.literal('image-removed'), release: z.string(), ...imagePlace }),
  /** The bytes of an artifact left the local store. */
  z.object({ type: z.literal('artifact-removed'), release: z.string(), sha256, why: z.string() }),
  /** A rule is due, once for its nominal time; written before anything is done about it. */
  z.object({
    type: z.literal('tick-taken'),
    rule: z.string(),
    tick: z.string(),
    why: z.string(),
    seen: z.array(seen).readonly().optional(),
    /** What a person asked for. */
    wish: z
      .object({
        by: z.string(),
        force: z.boolean().optional(),
        architectures: z.array(z.string()).readonly().optional(),
        to: z.array(z.string()).readonly().optional(),
      })
      .optional(),
  }),
  z.object({
    type: z.literal('tick-done'),
    rule: z.string(),
    tick: z.string(),
    outcome: z.enum(tickOutcomes),
    release: z.string().optional(),
    /** What became of it, in words: `skipped`'s reason, the error. */
    message: z.string().optional(),
  }),
  /** What a rule saw last without a tick: at its beginning. What a tick holds is seen when it is done. */
  z.object({ type: z.literal('source-seen'), rule: z.string(), ...seen.shape }),
  z.object({ type: z.literal('rule-paused'), rule: z.string(), why: z.string() }),
  z.object({ type: z.literal('rule-resumed'), rule: z.string(), by: z.string() }),
  z.object({
    type: z.literal('release-closed'),
    release: z.string(),
    outcome: z.enum(['done', 'partial', 'failed', 'interrupted']),
    durationMs: z.number(),
  }),
])

export type JournalRecord = z.infer<typeof journalRecord>
export type TickOutcome = (typeof tickOutcomes)[number]
export type CollectedArtifact = z.infer<typeof artifact>
export type PlannedDestination = z.infer<typeof destination>

/** A record as it lies in the journal: in which order, when (milliseconds since 1970), and by which engine it was written. */
export type StoredRecord = JournalRecord & { seq: number; at: number; epoch: number }
