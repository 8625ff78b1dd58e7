import { describe, expect, it } from 'vitest'
import { byDigest, parseReference, referenceProblem, repositoryProblem } from '#src/registry/reference.ts'
import type { Reference } from '#src/registry/reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('an image reference', () => {
  it.each([
    ['debian', 'docker.io', 'library/debian', undefined, undefined],
    ['fedora/ssh:44', 'docker.io', 'fedora/ssh', '44', undefined],
    ['quay.io/fedora/fedora-bootc:44', 'quay.io', 'fedora/fedora-bootc', '44', undefined],
    ['localhost/x', 'localhost', 'x', undefined, undefined],
    ['localhost:5055/lab/base:trixie', 'localhost:5055', 'lab/base', 'trixie', undefined],
    ['127.0.0.1:5055/base', '127.0.0.1:5055', 'base', undefined, undefined],
    ['[::1]:5055/base:1', '[::1]:5055', 'base', '1', undefined],
    [`quay.io/a/b@${digest}`, 'quay.io', 'a/b', undefined, digest],
    [`quay.io/a/b:1.0@${digest}`, 'quay.io', 'a/b', '1.0', digest],
    [
      'registry.example.com:8443/a/b/c__d/e-f.g:V1',
      'registry.example.com:8443',
      'a/b/c__d/e-f.g',
      'V1',
      undefined,
    ],
  ])('is read: %s', (text, registry, repository, tag, expected) => {
    expect(parseReference(text)).toEqual({
      text,
      registry,
      repository,
      ...(tag === undefined ? {} : { tag }),
      ...(expected === undefined ? {} : { digest: expected }),
    })
  })

  it.each([
    ['', 'has an empty part in its name'],
    ['quay.io/a/b:$(id)', 'has the character "$", which no image reference has'],
    ['quay.io/a/b;reboot', 'has the character ";", which no image reference has'],
    ['quay.io/a b', 'has the character " ", which no image reference has'],
    ['quay.io/a/b`x`', 'has the character "`", which no image reference has'],
    ['quay.io/a/b\n', 'has the character "\\n", which no image reference has'],
    ['quay.io/A/b', 'has upper-case letters in "A": repositories are lower-case'],
    ['Fedora', 'has upper-case letters in "Fedora": repositories are lower-case'],
    ['quay.io//b', 'has an empty part in its name'],
    ['quay.io/a/b:', 'has the tag "", which is none'],
    ['quay.io/a/b@sha256:abc', 'has the digest "sha256:abc", which is not sha256: and 64 hexadecimal digits'],
    [`quay.io/a@${digest}@${digest}`, 'has more than one "@"'],
    ['docker://quay.io/a/b', 'starts with "docker://": write the reference without a transport'],
    ['oci-archive:/tmp/x.tar', 'starts with "oci-archive:": write the reference without a transport'],
    [
      '--authfile/x',
      'has the part "--authfile": only lower-case letters and digits are allowed, joined by ".", "_", "__" or dashes',
    ],
    ['../../etc/passwd', 'has the registry "..", which is no host name'],
    ['-quay.io/a', 'has the registry "-quay.io", which is no host name'],
  ])('is refused: %j', (text, problem) => {
    expect(referenceProblem(text)).toBe(`the image reference ${JSON.stringify(text)} ${problem}`)
  })

  it('is completed when it is turned into one by digest', () => {
    const reference = parseReference('debian:trixie') as Reference
    expect(byDigest(reference, digest)).toBe(`docker.io/library/debian@${digest}`)
  })

  it('is no repository as soon as it has a tag', () => {
    expect(repositoryProblem('localhost:5055/lab/image')).toBeUndefined()
    expect(repositoryProblem('localhost:5055/lab/image:1')).toContain('has a tag or digest')
  })
})
