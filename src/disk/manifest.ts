import { z } from 'zod'
import type { DiskFormat } from '#arch/index.ts'

const manifest = z.object({
  version: z.literal('2'),
  pipelines: z.array(
    z.looseObject({
      name: z.string(),
      build: z.string().optional(),
      stages: z.array(z.unknown()).default([]),
    }),
  ),
})

const exportNames: Readonly<Record<DiskFormat, string>> = { qcow2: 'qcow2', raw: 'image' }

/**
 * How many stages osbuild will run for these formats, from the manifest that the tool writes before it starts: the
 * exported pipelines and all that they refer to. Undefined when the manifest is not as expected.
 */
export function countStages(text: string, formats: readonly DiskFormat[]): number | undefined {
  const pipelines = parse(text)
  if (!pipelines) return undefined
  const needed = new Set<string>()
  const open = formats.map((format) => exportNames[format])
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const pipeline = pipelines.find((candidate) => candidate.name === name)
    if (!pipeline || needed.has(name)) continue
    needed.add(name)
    for (const [, other] of JSON.stringify(pipeline).matchAll(/"name:([\w.-]+)"/g)) open.push(other ?? '')
  }
  const count = pipelines
    .filter(({ name }) => needed.has(name))
    .reduce((sum, { stages }) => sum + stages.length, 0)
  return count > 0 ? count : undefined
}

function parse(text: string) {
  try {
    return manifest.parse(JSON.parse(text)).pipelines
  } catch {
    return undefined
  }
}
