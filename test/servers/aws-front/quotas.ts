import type { Operation } from './call.ts'
import { Refusal } from './refusal.ts'
import { json } from './rest.ts'

/** https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html */
export const getServiceQuota: Operation = async (call, world) => {
  const { ServiceCode = '', QuotaCode = '' } = call.parameters
  const value = world.settings.quotas[`${ServiceCode}/${QuotaCode}`]
  if (value === undefined)
    throw new Refusal({
      code: 'NoSuchResourceException',
      message: `The request failed because the specified service or quota does not exist: ${ServiceCode}/${QuotaCode}`,
    })
  return json(200, { Quota: { ServiceCode, QuotaCode, Value: value, Adjustable: true, GlobalQuota: false } })
}
