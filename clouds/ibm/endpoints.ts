import { z } from 'zod'

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/

/** The API key goes to these addresses, so plain HTTP is for this machine only. */
const address = z.string().refine((text) => {
  const url = URL.parse(text.replaceAll('{region}', 'region'))
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
}, 'is no address that begins with https:// (http:// only on this machine)')

/** Where each service answers; `{region}` stands for the region. */
export const endpoints = z
  .strictObject({
    vpc: address.default('https://{region}.iaas.cloud.ibm.com/v1').describe('Machines and images.'),
    iam: address.default('https://iam.cloud.ibm.com').describe('Tokens and authorizations.'),
    tagging: address
      .default('https://tags.global-search-tagging.cloud.ibm.com/v3')
      .describe('The marks on everything.'),
    resources: address.default('https://resource-controller.cloud.ibm.com/v2').describe('Resource groups.'),
    cos: address
      .default('https://s3.{region}.cloud-object-storage.appdomain.cloud')
      .describe('Buckets; from inside IBM Cloud s3.direct.{region}.… costs no traffic.'),
  })
  .prefault({})
  .describe('Other addresses of the services, for private endpoints and for tests.')

export type Endpoints = z.infer<typeof endpoints>
export type Service = Exclude<keyof Endpoints, 'cos'>

/** The address of a service in a region. */
export function endpointOf(all: Endpoints, service: keyof Endpoints, region: string): string {
  return all[service].replaceAll('{region}', region).replace(/\/$/, '')
}
