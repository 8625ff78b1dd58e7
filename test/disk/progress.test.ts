import { describe, expect, test } from 'vitest'
import { countStages } from '#src/disk/manifest.ts'
import { progressReader } from '#src/disk/progress.ts'
import { manifest, successTranscript } from './transcripts.ts'

function progressOf(transcript: string, total?: number) {
  const reader = progressReader()
  reader.expect(total)
  return transcript.split('\n').flatMap((line) => reader.read(line) ?? [])
}

describe('the transcript of bootc-image-builder', () => {
  test('becomes phases, pipelines and counted stages', () => {
    const shown = progressOf(successTranscript, 5).map(({ message, done, total }) =>
      done === undefined ? message : `${message} ${done}/${total}`,
    )
    expect(shown).toEqual([
      'manifest generation',
      'disk image building',
      'pipeline source org.osbuild.containers-storage',
      'pipeline build',
      'org.osbuild.rpm 1/5',
      'org.osbuild.selinux 2/5',
      'pipeline image',
      'org.osbuild.sfdisk 3/5',
      'org.osbuild.bootc.install-to-filesystem 4/5',
      'pipeline qcow2',
      'org.osbuild.qemu 5/5',
    ])
  })

  test('has no total that would be passed', () => {
    const last = progressOf(successTranscript, 3).findLast(({ unit }) => unit === 'steps')
    expect(last).toEqual({ message: 'org.osbuild.qemu', done: 5, unit: 'steps' })
  })

  test('is understood in the words of newer versions of osbuild', () => {
    expect(
      progressOf('Starting module org.osbuild.mkfs.xfs\nFinished module org.osbuild.mkfs.xfs\n'),
    ).toEqual([{ message: 'org.osbuild.mkfs.xfs', done: 1, unit: 'steps' }])
  })
})

describe('the manifest', () => {
  test('gives the number of stages of the pipelines that are needed', () => {
    expect(countStages(manifest, ['raw', 'qcow2'])).toBe(5)
    expect(countStages(manifest, ['raw'])).toBe(4)
  })

  test.each(['', '{', '[]', '{"version":"1"}', '{"version":"2","pipelines":[]}', 'null'])(
    'gives no number when it is %j',
    (text) => {
      expect(countStages(text, ['raw'])).toBeUndefined()
    },
  )

  test('that refers to itself ends all the same', () => {
    const circle = JSON.stringify({
      version: '2',
      pipelines: [{ name: 'image', build: 'name:image', stages: [{ type: 'a' }] }],
    })
    expect(countStages(circle, ['raw'])).toBe(1)
  })
})
