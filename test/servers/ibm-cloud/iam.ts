import { randomBytes } from 'node:crypto'
import type { Operation } from './operation.ts'
import { Refused } from './refusal.ts'
import { type DoubleSettings, account } from './settings.ts'

/** https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-apikey */
const createToken: Operation = {
  action: 'CreateToken',
  method: 'POST',
  path: /^\/identity\/token$/,
  run({ body, headers }, world) {
    if (!String(headers['content-type']).startsWith('application/x-www-form-urlencoded'))
      throw new Refused(400, 'BXNIM0109E', 'Property missing or empty: grant_type')
    const form = new URLSearchParams(String(body))
    if (form.get('grant_type') !== 'urn:ibm:params:oauth:grant-type:apikey')
      throw new Refused(400, 'BXNIM0442E', 'Property grant_type has an unexpected value')
    if (!world.settings.apiKeys.includes(form.get('apikey') ?? ''))
      throw new Refused(400, 'BXNIM0415E', 'Provided API key could not be found.')
    const seconds = world.settings.tokenSeconds
    const token = randomBytes(24).toString('base64url')
    world.tokens.set(token, Date.now() + seconds * 1000)
    const body_ = { access_token: token, refresh_token: 'not_supported', token_type: 'Bearer' }
    return { status: 200, body: { ...body_, expires_in: seconds, scope: 'ibm openid' } }
  },
}

/** https://cloud.ibm.com/apidocs/iam-identity-token-api#get-api-keys-details */
const apiKeyDetails: Operation = {
  action: 'GetApiKeysDetails',
  method: 'GET',
  path: /^\/v1\/apikeys\/details$/,
  run({ headers }, world) {
    if (!world.settings.apiKeys.includes(String(headers['iam-apikey'])))
      throw new Refused(404, 'BXNIM0415E', 'Provided API key could not be found.')
    const key = { id: 'ApiKey-1', name: 'factory', iam_id: 'iam-ServiceId-1', account_id: account }
    return { status: 200, body: { ...key, crn: 'crn:v1:…', locked: false, created_by: 'IBMid-1' } }
  },
}

/** https://cloud.ibm.com/apidocs/iam-policy-management#list-policies */
const listPolicies: Operation = {
  action: 'ListPolicies',
  method: 'GET',
  path: /^\/v1\/policies$/,
  query: ['account_id', 'type', 'state'],
  run({ query }, { settings }) {
    if (query.get('account_id') !== account)
      throw new Refused(400, 'invalid_body', 'account_id is missing or not of this token')
    const policies = [policyOf('is', 'volume', 'kms', {}), ...imageAuthorization(settings)]
    return { status: 200, body: { policies } }
  },
}

export const iamOperations = [createToken, apiKeyDetails, listPolicies]

function imageAuthorization({ authorization }: DoubleSettings): object[] {
  if (authorization === 'missing') return []
  const narrowed = authorization === 'there' ? {} : { resource: 'another-bucket' }
  return [policyOf('is', 'image', 'cloud-object-storage', narrowed)]
}

function policyOf(service: string, type: string, target: string, more: Record<string, string>): object {
  const attributes = (all: Record<string, string>) =>
    Object.entries(all).map(([name, value]) => ({ name, value }))
  return {
    id: randomBytes(8).toString('hex'),
    type: 'authorization',
    subjects: [{ attributes: attributes({ accountId: account, serviceName: service, resourceType: type }) }],
    roles: [{ role_id: 'crn:v1:bluemix:public:iam::::serviceRole:Reader', display_name: 'Reader' }],
    resources: [{ attributes: attributes({ accountId: account, serviceName: target, ...more }) }],
    state: 'active',
  }
}
