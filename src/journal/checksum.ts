import { createHash } from 'node:crypto'
import type { Row } from './database.ts'

/** The checksum of a row that follows one with the checksum `before`; empty for the first. */
export function checksumOf(before: string, row: Omit<Row, 'checksum'>): string {
  const { seq, at, version, epoch, body } = row
  return createHash('sha256').update(`${before}\n${seq} ${at} ${version} ${epoch}\n${body}`).digest('hex')
}

/** Whether a row is what was written, as far as it and the row before can tell. */
export function isIntact(row: Row, before: Row | undefined): boolean {
  if (row.version === 1) return row.checksum === ''
  return row.checksum === checksumOf(before?.checksum ?? '', row)
}
