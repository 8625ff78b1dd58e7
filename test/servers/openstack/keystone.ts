import { administratorPassword } from './tree.ts'

/** Keystone as its administrator sees it. */
export interface Keystone {
  readonly url: string
  projectId(name: string): Promise<string>
  makeProject(name: string): Promise<string>
  /** A user with roles in a project. */
  makeUser(name: string, password: string, project: string, roles: readonly string[]): Promise<string>
  makeEndpoint(type: string, region: string, url: string, which?: 'public' | 'internal'): Promise<void>
  /** Empties the public part of the catalogue. */
  forgetEndpoints(): Promise<void>
  /** Any call; `json` makes it a POST unless a method is given. */
  call(
    path: string,
    options?: { method?: string; json?: unknown; token?: string },
  ): Promise<Record<string, unknown>>
}

interface Entity {
  id: string
}

export async function administer(url: string): Promise<Keystone> {
  const token = await tokenOf(url, 'admin', administratorPassword, 'admin')
  const call: Keystone['call'] = async (path, { method, json, token: other } = {}) => {
    const answer = await fetch(`${url}${path}`, {
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: { 'x-auth-token': other ?? token, 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }
  const byName = async (what: string, name: string) => {
    const found = ((await call(`/${what}?name=${name}`))[what] as Entity[])[0]
    if (!found) throw new Error(`there is no ${name} in ${what}`)
    return found.id
  }
  return {
    url,
    call,
    projectId: (name) => byName('projects', name),
    async makeProject(name) {
      return (
        (await call('/projects', { json: { project: { name, domain_id: 'default' } } }))['project'] as Entity
      ).id
    },
    async makeUser(name, password, project, roles) {
      const json = { user: { name, password, domain_id: 'default' } }
      const { id } = (await call('/users', { json }))['user'] as Entity
      for (const role of roles) {
        const path = `/projects/${project}/users/${id}/roles/${await byName('roles', role)}`
        await call(path, { method: 'PUT' })
      }
      return id
    },
    async forgetEndpoints() {
      for (const { id } of (await call('/endpoints?interface=public'))['endpoints'] as Entity[]) {
        await call(`/endpoints/${id}`, { method: 'DELETE' })
      }
    },
    async makeEndpoint(type, region, endpoint, which = 'public') {
      const known = ((await call(`/services?type=${type}`))['services'] as Entity[])[0]
      const service =
        known ?? ((await call('/services', { json: { service: { type, name: type } } }))['service'] as Entity)
      const regions = (await call('/regions'))['regions'] as Entity[]
      if (!regions.some(({ id }) => id === region))
        await call('/regions', { json: { region: { id: region } } })
      const json = {
        endpoint: { service_id: service.id, interface: which, url: endpoint, region_id: region },
      }
      await call('/endpoints', { json })
    },
  }
}

/** A token by password, in the domain that every Keystone has. */
export async function tokenOf(url: string, user: string, password: string, project: string): Promise<string> {
  const domain = { id: 'default' }
  const answer = await fetch(`${url}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name: user, password, domain } } },
        scope: { project: { name: project, domain } },
      },
    }),
  })
  const said = await answer.text()
  const token = answer.headers.get('x-subject-token')
  if (token === null) throw new Error(`no token for ${user}: ${answer.status} ${said}`)
  return token
}
