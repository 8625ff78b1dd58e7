import type { Architecture } from './types.ts'

export const ppc64le: Architecture = {
  name: 'ppc64le',
  oci: 'ppc64le',
  debian: 'ppc64el',
  diskFormats: ['raw', 'qcow2'],
}
