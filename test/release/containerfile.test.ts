import { describe, expect, it } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { neededImages } from '#src/release/containerfile.ts'
import { expandVariables } from '#src/release/expand-variables.ts'

const read = (text: string, buildArgs: Record<string, string> = {}, architectures = architectureNames) =>
  neededImages(text, { file: 'Containerfile', buildArgs, architectures })
const references = (...input: Parameters<typeof read>) => read(...input).map(({ reference }) => reference)
const digest = `sha256:${'a'.repeat(64)}`

describe('the images that a Containerfile needs', () => {
  it('are those of FROM, COPY --from and RUN --mount, and no stages', () => {
    const text = `# syntax=docker.io/docker/dockerfile:1
FROM quay.io/fedora/fedora-bootc:44 AS Base
FROM quay.io/fedora/fedora:44 as tools
COPY --from=base /etc/os-release /
COPY --from=0 /etc/os-release /
FROM base
COPY --from=tools --chown=0:0 /usr/bin/x /usr/bin/x
COPY --from=docker.io/library/busybox:1 /bin/busybox /
RUN --mount=type=bind,from=quay.io/tools/lint@${digest},target=/lint \\
    --mount=type=cache,target=/var/cache \\
    --mount=type=bind,from=tools,target=/tools \\
    /lint
FROM scratch
COPY --from=quay.io/fedora/fedora:44 / /
`
    expect(read(text).map(({ reference, place }) => [reference, place.line])).toEqual([
      ['quay.io/fedora/fedora-bootc:44', 2],
      ['quay.io/fedora/fedora:44', 3],
      ['docker.io/library/busybox:1', 8],
      [`quay.io/tools/lint@${digest}`, 9],
    ])
  })

  it('are never taken from heredocs, comments or ONBUILD', () => {
    const text = `FROM quay.io/a/b:1
RUN <<EOF
FROM evil:1
COPY --from=evil:2 / /
EOF
RUN cat <<A <<-"B" > /x
FROM evil:3
A
	COPY --from=evil:4 / /
	B
COPY <<FILE /etc/x
FROM evil:5
FILE
# FROM evil:6
ONBUILD COPY --from=evil:7 / /
RUN echo FROM evil:8
LABEL x="FROM evil:9"
`
    expect(references(text)).toEqual(['quay.io/a/b:1'])
  })

  it('are read over continued lines, with comments between', () => {
    expect(references('FROM \\\n  # the base\n  quay.io/a/b:1 \\\n  AS x\n')).toEqual(['quay.io/a/b:1'])
    expect(references('# escape=`\nfrom `\n  quay.io/a/b:1\n')).toEqual(['quay.io/a/b:1'])
  })

  it('have their ARGs filled in, build arguments first', () => {
    const text = `ARG REGISTRY=quay.io
ARG IMAGE="$REGISTRY/fedora/fedora-bootc"
ARG TAG
FROM \${IMAGE}:\${TAG:-43}
ARG TAG
ARG TOOLS=\${TAG:-1}
COPY --from=quay.io/tools/x:$TOOLS / /
`
    expect(references(text)).toEqual(['quay.io/fedora/fedora-bootc:43', 'quay.io/tools/x:1'])
    expect(references(text, { TAG: '44' })).toEqual(['quay.io/fedora/fedora-bootc:44', 'quay.io/tools/x:44'])
    expect(references(text, { REGISTRY: 'localhost:5055', TOOLS: '2' })).toEqual([
      'localhost:5055/fedora/fedora-bootc:43',
      'quay.io/tools/x:2',
    ])
  })

  it('may be chosen by platform as long as it is the own one', () => {
    expect(references('FROM --platform=$TARGETPLATFORM quay.io/a/b:1')).toEqual(['quay.io/a/b:1'])
    expect(references('FROM --platform=${BUILDPLATFORM} quay.io/a/b:1')).toEqual(['quay.io/a/b:1'])
    expect(references('FROM --platform=linux/amd64 quay.io/a/b:1', {}, ['x86_64'])).toEqual(['quay.io/a/b:1'])
  })

  it('may come from a stage for each architecture', () => {
    const text = `FROM quay.io/a/b:1 AS for-amd64
FROM quay.io/a/c:1 AS for-arm64
FROM for-\${TARGETARCH}
`
    expect(references(text, {}, ['x86_64', 'aarch64'])).toEqual(['quay.io/a/b:1', 'quay.io/a/c:1'])
  })
})

describe('a Containerfile that cannot be pinned', () => {
  const failure = (...input: Parameters<typeof read>): { code: string; message: string; hint: string } => {
    try {
      read(...input)
    } catch (error) {
      return error as { code: string; message: string; hint: string }
    }
    throw new Error('nothing was refused')
  }

  it.each([
    [
      'an ARG without value',
      'ARG TAG\nFROM quay.io/a/b:$TAG\n',
      'Containerfile:2:1: FROM uses quay.io/a/b:$TAG, but TAG has no value',
      'Write "ARG TAG=value" before the first FROM, or "ARG TAG" there and the value in image.buildArgs.',
    ],
    [
      'an ARG after its FROM',
      'FROM quay.io/a/b:1\nARG TAG=1\nFROM quay.io/a/c:${TAG}\n',
      'Containerfile:3:1: FROM uses quay.io/a/c:${TAG}, but TAG has no value',
      'Write "ARG TAG" before the first FROM: FROM lines see no other arguments.',
    ],
    [
      'an ARG of another stage',
      'ARG T=1\nFROM quay.io/a/b:1\nCOPY --from=quay.io/a/c:$T / /\n',
      'Containerfile:3:1: COPY uses quay.io/a/c:$T, but T has no value',
      'Write "ARG T" after the FROM of this stage, and give it a value there or in image.buildArgs.',
    ],
    [
      'a foreign platform',
      'FROM --platform=linux/arm64 quay.io/a/b:1\n',
      'Containerfile:1:1: FROM --platform=linux/arm64 asks for linux/arm64, but linux/amd64 is built too, and natively',
      'Leave --platform out, or write --platform=$TARGETPLATFORM.',
    ],
    [
      'an image for each architecture',
      'FROM quay.io/a/b-$TARGETARCH\n',
      'Containerfile:1:1: the architectures would build from different images here: quay.io/a/b-amd64, quay.io/a/b-arm64',
      'Name one multi-architecture image: the architecture is chosen from its index.',
    ],
    [
      'a stage that is not there yet',
      'FROM quay.io/a/b:1\nCOPY --from=0 / /\n',
      'Containerfile:2:1: there is no stage 0 before this one',
      'Mend these lines of the Containerfile; "factory plan" looks at them without building anything.',
    ],
    [
      'no FROM',
      'RUN true\n',
      'Containerfile:1:1: there is no FROM in it',
      'Mend these lines of the Containerfile; "factory plan" looks at them without building anything.',
    ],
    [
      'nothing',
      '',
      'Containerfile:1:1: there is no FROM in it',
      'Mend these lines of the Containerfile; "factory plan" looks at them without building anything.',
    ],
  ])('is refused: %s', (_name, text, message, hint) => {
    const architectures =
      text.includes('arm64') || text.includes('TARGETARCH')
        ? (['x86_64', 'aarch64'] as const)
        : architectureNames
    const error = failure(text, {}, [...architectures])
    expect(error).toMatchObject({ code: 'containerfile-invalid', message, hint })
  })

  it('is told of every line at once', () => {
    const error = failure('FROM quay.io/A/b\nFROM quay.io/a/b:$X\nCOPY --from=a;b / /\n')
    expect(error.code).toBe('containerfile-invalid')
    expect(error.message).toBe(`3 problems in Containerfile:
  Containerfile:1:1: the image reference "quay.io/A/b" has upper-case letters in "A": repositories are lower-case
  Containerfile:2:1: FROM uses quay.io/a/b:$X, but X has no value
  Containerfile:3:1: the image reference "a;b" has the character ";", which no image reference has`)
  })

  it('keeps shell characters out, wherever they come from', () => {
    expect(failure('ARG B\nFROM $B\n', { B: 'quay.io/a/b$(id)' })).toMatchObject({
      code: 'reference-invalid',
    })
  })
})

describe('variables', () => {
  const values = new Map([
    ['V', 'value'],
    ['EMPTY', ''],
  ])
  it.each([
    ['$V.x', 'value.x', []],
    ['${V}x', 'valuex', []],
    ['${NO:-d}', 'd', []],
    ['${NO-d}', 'd', []],
    ['${EMPTY:-d}', 'd', []],
    ['${EMPTY-d}', '', []],
    ['${V:+i}', 'i', []],
    ['${NO:+i}', '', []],
    ['${EMPTY:+i}', '', []],
    ['${EMPTY+i}', 'i', []],
    ['${NO:-${V}-${NO:-x}}', 'value-x', []],
    ['${NO:-$OTHER}', '', ['OTHER']],
    ['$NO/$NEITHER', '/', ['NO', 'NEITHER']],
    ['${NO:?needed}', '', ['NO']],
    ['\\$V', '$V', []],
    ['$', '$', []],
    ['$1 ${', '$1 ${', []],
  ])('%s becomes %s', (text, expected, missing) => {
    expect(expandVariables(text, values)).toEqual({ text: expected, missing })
  })
})
