import perfHooks from 'node:perf_hooks'
import { expect, test, vi } from 'vitest'
import { webServer } from './web-server.ts'

test('a stream is at its address for everybody, and is sent again only when it has changed', async () => {
  await using server = await webServer()
  const ask = (etag?: string) =>
    server.ask('/streams/promoted.json', {
      bearer: false,
      ...(etag === undefined ? {} : { headers: { 'if-none-match': etag } }),
    })
  const first = await ask()
  expect(first.headers).toMatchObject({
    'cache-control': 'public, max-age=30',
    'content-type': 'application/json',
  })
  const release = (text: string) => JSON.parse(text).architectures.x86_64['x-factory'].release as string
  expect(release(first.text)).toBe('20261117.0')
  const same = await ask(first.headers.etag)
  expect([same.status, same.text, same.headers.etag]).toEqual([304, '', first.headers.etag])
  await server.serving.choose.promote('20261124.0', { by: 'jana' })
  const moved = await ask(first.headers.etag)
  expect([moved.status, release(moved.text)]).toEqual([200, '20261124.0'])
  expect(moved.headers.etag).not.toBe(first.headers.etag)
  const previous = await server.ask('/streams/previous.json', { bearer: false })
  expect(release(previous.text)).toBe('20261117.0')
  for (const path of ['/streams/stable.json', '/streams/..%2f..%2fweb-access.json'])
    expect([path, (await server.ask(path)).status]).toEqual([path, 404])
})

test('a channel that points to nothing has no stream', async () => {
  await using server = await webServer()
  delete server.state.channels.candidate
  const empty = await server.ask('/streams/candidate.json', { bearer: false })
  expect(empty.status).toBe(404)
  expect(JSON.parse(empty.text)).toMatchObject({ hint: 'The channel candidate points to no release yet.' })
})

test('Prometheus is told what the journal knows and how long steps took', async () => {
  await using server = await webServer()
  const place = { arch: 'aarch64', step: 'disks', at: 1 } as const
  server.events.tell({ type: 'step-finished', ...place, durationMs: 61_000, summary: '' })
  server.events.tell({
    type: 'step-failed',
    ...place,
    durationMs: 2_000,
    willRetry: true,
    error: { code: 'x', class: 'infra', message: '' },
  })
  const { text, headers } = await server.ask('/metrics')
  expect(headers['content-type']).toContain('text/plain; version=0.0.4')
  const values = new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
  const expected = {
    'factory_releases{outcome="done"}': 4,
    'factory_releases{outcome="partial"}': 1,
    'factory_releases{outcome="open"}': 1,
    'factory_leases_open{cloud="lab"}': 1,
    'factory_rule_paused{rule="base"}': 1,
    'factory_rule_paused{rule="cron"}': 0,
    'factory_rule_recent_ticks{rule="cron",outcome="released"}': 1,
    'factory_rule_recent_ticks{rule="containerfile",outcome="taken"}': 1,
    factory_last_promotable_age_seconds: 86_400 - 1_260,
    factory_ready: 1,
    'factory_step_duration_seconds_bucket{le="60",step="disks",arch="aarch64",outcome="finished"}': 0,
    'factory_step_duration_seconds_bucket{le="300",step="disks",arch="aarch64",outcome="finished"}': 1,
    'factory_step_duration_seconds_count{step="disks",arch="aarch64",outcome="failed"}': 1,
  }
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, values.get(name)]))).toEqual(expected)
  // Ten machines that ran for 20 minutes at 9 cents an hour, and one that has run for ten.
  expect(values.get('factory_machines_cost{currency="USD"}')).toBeCloseTo(0.09 * (10 / 3 + 1 / 6), 5)
  expect(values.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
  expect(values.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
})

test('what Prometheus is told of the process is measured once, however many images it serves', async () => {
  const measuring = vi.spyOn(perfHooks, 'monitorEventLoopDelay')
  try {
    await using one = await webServer()
    await using two = await webServer()
    for (const server of [one, two])
      expect((await server.ask('/metrics')).text).toMatch(/^nodejs_eventloop_lag_p99_seconds \S+$/m)
    expect(measuring.mock.calls.length).toBeLessThan(2)
  } finally {
    measuring.mockRestore()
  }
})

test('an age of what never was is no number', async () => {
  await using server = await webServer()
  delete server.state.channels.candidate
  expect((await server.ask('/metrics')).text).not.toMatch(/^factory_last_promotable_age_seconds/m)
})

test('it is alive when it answers, and ready when it can make a release', async () => {
  await using server = await webServer()
  const ask = async (path: string) => {
    const { status, text } = await server.ask(path, { bearer: false, headers: { host: '10.0.0.7:8085' } })
    return [status, text]
  }
  expect(await ask('/healthz')).toEqual([200, 'ok\n'])
  expect(await ask('/readyz')).toEqual([200, 'ready\n'])
  server.world.ready = 'the journal is locked by epoch 3'
  expect(await ask('/readyz')).toEqual([503, 'not ready: the journal is locked by epoch 3\n'])
  expect(await ask('/healthz')).toEqual([200, 'ok\n'])
})
