import type { z } from 'zod'
import { awsConfiguration } from './aws/config.ts'
import { ibmConfiguration } from './ibm/config.ts'
import { libvirtConfiguration } from './libvirt/config.ts'
import { openstackConfiguration } from './openstack/config.ts'
import { sshConfiguration } from './ssh/config.ts'
import type { Cloud, CloudKind } from './types.ts'

/** What `clouds.<name>` of the configuration may say, by its `kind`; every schema carries that literal. */
export const cloudConfigurations = {
  aws: awsConfiguration,
  ibm: ibmConfiguration,
  libvirt: libvirtConfiguration,
  openstack: openstackConfiguration,
  ssh: sshConfiguration,
} as const

export type CloudConfiguration = z.infer<(typeof cloudConfigurations)[CloudKind]>

export interface CloudSettings {
  /** The mark on everything that we make. */
  owner: string
  /** A directory of ours, mode 0700, for what the adapter wants to remember between runs. */
  stateDirectory: string
}

/** Opens a cloud by its configuration; the adapter with everything it needs is only loaded here. */
export async function openCloud(
  name: string,
  configuration: CloudConfiguration,
  settings: CloudSettings,
): Promise<Cloud> {
  switch (configuration.kind) {
    case 'aws': {
      const { createAwsCloud } = await import('./aws/index.ts')
      return await createAwsCloud(name, configuration, settings)
    }
    case 'ibm': {
      const { createIbmCloud } = await import('./ibm/index.ts')
      return await createIbmCloud(name, configuration, settings)
    }
    case 'libvirt': {
      const { createLibvirtCloud } = await import('./libvirt/index.ts')
      return await createLibvirtCloud(name, configuration, settings)
    }
    case 'openstack': {
      const { createOpenstackCloud } = await import('./openstack/index.ts')
      return await createOpenstackCloud(name, configuration, settings)
    }
    case 'ssh': {
      const { createSshCloud } = await import('./ssh/index.ts')
      return await createSshCloud(name, configuration, settings)
    }
  }
}
