import { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type IbmDouble, startIbmDouble } from './ibm-cloud/double.ts'
import { testKey } from './ibm-cloud/settings.ts'

let double: IbmDouble
beforeAll(async () => {
  // Nobody imports anything here.
  double = await startIbmDouble(new S3Client({ region: 'eu-es', endpoint: 'http://127.0.0.1:1' }))
})
beforeEach(() => double.reset())
afterAll(() => double?.[Symbol.asyncDispose]())

async function token(): Promise<string> {
  const form = { grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: testKey }
  const answer = await fetch(`${double.endpoints.iam}/identity/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

interface Asked {
  status: number
  code: string | undefined
  body: Record<string, unknown>
}

async function ask(
  path: string,
  {
    method = 'GET',
    body,
    query = 'version=2026-03-24&generation=2',
    bearer,
  }: { method?: string; body?: unknown; query?: string; bearer?: string } = {},
): Promise<Asked> {
  const answer = await fetch(
    `${double.endpoints.vpc.replace('{region}', 'eu-es')}${path}${path.includes('?') ? '&' : '?'}${query}`,
    {
      method,
      headers: { authorization: `Bearer ${bearer ?? (await token())}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  )
  const text = await answer.text()
  const read = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  return {
    status: answer.status,
    code: (read['errors'] as { code: string }[] | undefined)?.[0]?.code,
    body: read,
  }
}

const machine = () => {
  const [subnet] = double.subnets('eu-es')
  const { vpc, zone } = double.world.subnets.get(subnet!)!
  const image = [...double.world.images.values()].find(
    ({ region, name }) => region === 'eu-es' && name === 'ibm-redhat-9-amd64-1',
  )!
  const volume = {
    name: 'boot',
    delete_volume_on_instance_delete: true,
    volume: { name: 'boot-1', capacity: 100, profile: { name: 'general-purpose' } },
  }
  return {
    name: 'machine-1',
    image: { id: image.id },
    profile: { name: 'bx2-4x16' },
    zone: { name: zone },
    vpc: { id: vpc },
    primary_network_interface: { subnet: { id: subnet } },
    boot_volume_attachment: volume,
    metadata_service: { enabled: false },
    user_data: '#cloud-config',
  }
}

describe('the double is as strict as the real thing says it is', () => {
  test('with tokens', async () => {
    expect(await ask('/images', { bearer: 'invented' })).toMatchObject({ status: 401, code: 'invalid_token' })
    const old = await token()
    expect(await ask('/images', { bearer: old })).toMatchObject({ status: 200 })
    double.endTokens()
    expect(await ask('/images', { bearer: old })).toMatchObject({ status: 401 })
  })

  test.each([
    '',
    'version=2026-03-24',
    'generation=2',
    'version=2199-01-01&generation=2',
    'version=today&generation=2',
  ])('with the version of the API: %s', async (query) => {
    expect(await ask('/images', { query })).toMatchObject({
      status: 400,
      code: 'missing_version_or_generation',
    })
  })

  test('with parameters and fields that it does not know', async () => {
    expect(await ask('/images?nmae=x')).toMatchObject({ status: 400 })
    const body = { ...machine(), imgae: {} }
    expect(await ask('/instances', { method: 'POST', body })).toMatchObject({
      status: 400,
      code: 'validation_failed',
    })
  })

  test.each(['Machine', 'machine_1', 'machine.1', '1machine', 'machine-', 'ibm-machine', 'm'.repeat(64)])(
    'with names: %s',
    async (name) => {
      const body = { ...machine(), name }
      expect(await ask('/instances', { method: 'POST', body })).toMatchObject({
        status: 400,
        code: 'validation_invalid_name',
      })
    },
  )

  test('with names that are taken, also by volumes', async () => {
    expect(await ask('/instances', { method: 'POST', body: machine() })).toMatchObject({ status: 201 })
    const taken = { status: 400, code: 'validation_unique_failed' }
    expect(await ask('/instances', { method: 'POST', body: machine() })).toMatchObject(taken)
    const body = { ...machine(), name: 'machine-2' }
    expect(await ask('/instances', { method: 'POST', body })).toMatchObject(taken)
  })

  test('with machines that are not where their subnet is, or not what their image is for', async () => {
    for (const change of [
      { zone: { name: 'eu-es-2' } },
      { vpc: { id: 'r050-x' } },
      { profile: { name: 'bz2-4x16' } },
    ]) {
      const body = { ...machine(), ...change }
      expect(await ask('/instances', { method: 'POST', body }), JSON.stringify(change)).toMatchObject({
        status: 400,
        code: 'bad_field',
      })
    }
  })

  test('with what is still being made', async () => {
    const { body } = await ask('/instances', { method: 'POST', body: machine() })
    const path = `/instances/${body['id']}`
    expect(await ask(path, { method: 'DELETE' })).toMatchObject({ status: 409 })
    const states: unknown[] = []
    while (states.at(-1) !== 'running') states.push((await ask(path)).body['status'])
    expect(states).toEqual(['starting', 'running'])
    expect(await ask(path, { method: 'DELETE' })).toMatchObject({ status: 204 })
    expect(await ask(path)).toMatchObject({ status: 200, body: { status: 'deleting' } })
    await ask(path)
    expect(await ask(path)).toMatchObject({ status: 404, code: 'instance_not_found' })
  })

  test('with pages: their tokens are of one listing, and their links lead to the real service', async () => {
    double.settings.pageSize = 2
    const first = await ask('/operating_systems?limit=100')
    const { href } = first.body['next'] as { href: string }
    expect(new URL(href).hostname).toBe('eu-es.iaas.cloud.ibm.com')
    const start = new URL(href).searchParams.get('start')
    const second = await ask(`/operating_systems?limit=100&start=${start}`)
    expect(second.body['operating_systems']).toHaveLength(2)
    expect(await ask(`/images?limit=100&start=${start}`)).toMatchObject({ status: 400 })
    expect(await ask('/images?limit=101')).toMatchObject({ status: 400 })
    double.settings.pageSize = 100
  })

  test('with tags: their characters, and things that it has not heard of yet', async () => {
    const { body } = await ask('/instances', { method: 'POST', body: machine() })
    const attach = async (tag: string) => {
      const answer = await fetch(`${double.endpoints.tagging}/tags/attach?tag_type=user&update=true`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ resources: [{ resource_id: body['crn'] }], tag_names: [tag] }),
      })
      return { status: answer.status, said: (await answer.json()) as { results?: { is_error: boolean }[] } }
    }
    for (const tag of ['a:b:c', 'a:', 'a,b', 'a/b', 'x'.repeat(129)])
      expect((await attach(tag)).status, tag).toBe(400)
    expect((await attach('Team:Copr')).said.results![0]!.is_error).toBe(true)
    expect((await attach('Team:Copr')).said.results![0]!.is_error).toBe(false)
    expect(double.world.tags.get(String(body['crn']))!.tags).toEqual(new Set(['team:copr']))
    await attach('team:other')
    expect(double.world.tags.get(String(body['crn']))!.tags).toEqual(new Set(['team:other']))
  })
})
