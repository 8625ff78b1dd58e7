import type { Architecture } from './types.ts'

export const s390x: Architecture = {
  name: 's390x',
  oci: 's390x',
  debian: 's390x',
  ibm: 's390x',
  diskFormats: ['raw', 'qcow2'],
}
