import { execa } from 'execa'
import { z } from 'zod'
import type { Extent } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'

const limitMs = 2 * 60_000
const map = z.array(z.object({ start: z.int(), length: z.int(), data: z.boolean(), zero: z.boolean() }))

/**
 * The runs of a raw file that hold content, so that its holes are never read. Node cannot ask the kernel for them,
 * qemu-img can; without it the whole file counts as content, which only takes longer: blocks of zeros are left out anyway.
 */
export async function localExtents(path: string, sizeBytes: number, ctx: Context): Promise<Extent[]> {
  const whole = sizeBytes === 0 ? [] : [{ offset: 0, length: sizeBytes }]
  const { failed, code, stdout } = await execa('qemu-img', ['map', '-f', 'raw', '--output=json', path], {
    reject: false,
    timeout: limitMs,
    cancelSignal: ctx.signal,
    env: { LC_ALL: 'C' },
  })
  ctx.signal.throwIfAborted()
  if (failed) {
    const why = code === 'ENOENT' ? 'qemu-img is not installed' : 'qemu-img could not tell the holes'
    ctx.log(`${why}: the whole file of ${sizeBytes} bytes is read (apt-get install qemu-utils)`)
    return whole
  }
  return map
    .parse(JSON.parse(stdout))
    .filter(({ data, zero }) => data && !zero)
    .map(({ start, length }) => ({ offset: start, length }))
}
