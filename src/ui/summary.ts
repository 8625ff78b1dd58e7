import { formatBytes, formatDuration } from '#src/units.ts'
import { table } from './table.ts'

/** One published image, or one that did not come to be, of a release. */
export interface SummaryRow {
  arch: string
  /** The image's name in its cloud; absent when there is no image. */
  name?: string
  /** Cloud and region. */
  where?: string
  /** Size of the disk in bytes. */
  sizeBytes?: number
  /** Hex. */
  sha256?: string
  /** What its boot showed: `passed`, `failed`, `not verified`, or why there is no image. */
  boot: string
  /** Milliseconds that the architecture took. */
  durationMs?: number
}

/** The last thing that a release prints: what was made, where it is, and whether it boots. */
export function summaryTable(rows: readonly SummaryRow[]): string {
  const head = ['ARCHITECTURE', 'IMAGE', 'WHERE', 'SIZE', 'SHA256', 'BOOT', 'TIME']
  const cells = rows.map((row) => [
    row.arch,
    row.name ?? '-',
    row.where ?? '-',
    row.sizeBytes === undefined ? '-' : formatBytes(row.sizeBytes),
    row.sha256?.slice(0, 12) ?? '-',
    row.boot,
    row.durationMs === undefined ? '-' : formatDuration(row.durationMs),
  ])
  return table(head, cells)
}
