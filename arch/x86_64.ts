import type { Architecture } from './types.ts'

export const x86_64: Architecture = {
  name: 'x86_64',
  oci: 'amd64',
  debian: 'amd64',
  ec2: 'x86_64',
  ibm: 'amd64',
  diskFormats: ['raw', 'qcow2'],
}
