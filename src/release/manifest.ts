import type { ArchitectureName } from '#arch/index.ts'
import { type FactoryBlock, releaseJson, writeReleaseJson } from '#src/artifact/release-json.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import type { ReleaseInputs } from './inputs.ts'
import { isComplete, judge } from './outcome.ts'
import { costOf } from './release-cost.ts'
import { type ReleaseScope, releaseManifestFile } from './scope.ts'

/** Writes release.json from what the journal knows; returns its path. */
export async function writeManifest(
  scope: ReleaseScope,
  state: ReleaseState,
  inputs: ReleaseInputs,
): Promise<string> {
  const { promotable } = judge(state, scope.configuration.require)
  const manifest = releaseJson({
    release: scope.release,
    stream: promotable ? 'candidate' : 'incomplete',
    lastModified: new Date(scope.now()),
    generator: 'factory 0.1.0',
    builds: state.builds.map(({ arch, buildKey }) => ({
      arch,
      block: factoryBlock(scope, state, inputs, { arch, buildKey, promotable }),
      artifactPath: scope.store.path,
    })),
  })
  const file = releaseManifestFile(scope.stateDirectory, scope.release)
  await writeReleaseJson(file, manifest)
  return file
}

function factoryBlock(
  scope: ReleaseScope,
  state: ReleaseState,
  inputs: ReleaseInputs,
  build: { arch: ArchitectureName; buildKey: string; promotable: boolean },
): FactoryBlock {
  const { arch, buildKey, promotable } = build
  const collected = scope.journal.state().collected.get(buildKey)
  const pushed = collected?.pushedDigest
  const repository = scope.configuration.image.push
  const block: FactoryBlock = {
    'build-key': buildKey,
    complete: isComplete(arch, state),
    ...sourceFacts(inputs, arch),
    artifacts: (collected?.artifacts ?? []).map((artifact) => ({
      format: artifact.format,
      sha256: artifact.sha256,
      size: artifact.sizeBytes,
      'virtual-size': artifact.virtualBytes,
      'content-size': artifact.contentBytes,
    })),
    images: state.images
      .filter(({ image }) => image.arch === arch)
      .map(({ image, verification }) => ({
        cloud: image.cloud,
        kind: image.kind,
        region: image.region,
        id: image.id,
        name: image.name,
        format: image.format,
        size: image.sizeBytes,
        'source-sha256': image.sha256,
        state: promotable ? 'candidate' : 'incomplete',
        tested: {
          result: verification?.result ?? 'not verified',
          how: verification?.how ?? 'the release ended before it was booted',
          ...(verification?.bootMs === undefined ? {} : { 'boot-ms': verification.bootMs }),
        },
      })),
    failures: state.steps.flatMap(({ arch: where, step, target, error }) => {
      if (where !== arch || !error) return []
      const { code, message } = error
      return [target === undefined ? { step, code, message } : { step, target, code, message }]
    }),
    cost: costOf({
      release: scope.release,
      arch,
      leases: scope.journal.state().leases,
      images: state.images,
      artifacts: collected?.artifacts ?? [],
      clouds: scope.clouds,
      now: scope.now(),
    }),
  }
  if (pushed === undefined || repository === undefined) return block
  return {
    ...block,
    'oci-image': { image: `${repository}:${scope.release}`, 'digest-ref': `${repository}@${pushed}` },
  }
}

/** What went in: the same for all architectures but for the disk builder. */
function sourceFacts(
  inputs: ReleaseInputs,
  arch: ArchitectureName,
): Pick<FactoryBlock, 'containerfile' | 'bases' | 'builder'> {
  const { context, git, bases, existing } = inputs
  const tool = inputs.diskBuilders[arch]
  const facts = {
    bases: (existing ? [existing] : bases).map(({ reference, digest }) => ({ reference, digest })),
    builder: { ref: tool ? `${tool.reference}@${tool.digest}` : '', dialect: 'bib-v1' as const },
  }
  if (!context) return facts
  const commit =
    git === undefined
      ? {}
      : { commit: git.commit, dirty: git.dirty, ...(git.remote === undefined ? {} : { git: git.remote }) }
  return { ...facts, containerfile: { ...commit, 'tree-sha256': context.digest } }
}
