import type { Architecture } from './types.ts'

export const aarch64: Architecture = {
  name: 'aarch64',
  oci: 'arm64',
  debian: 'arm64',
  ec2: 'arm64',
  diskFormats: ['raw', 'qcow2'],
}
