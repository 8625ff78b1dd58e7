import { describe, expect, test } from 'vitest'
import type { BuilderRef } from '#src/builder/types.ts'
import { gather } from '#test/contract/cloud.ts'
import { inTurns } from '#test/in-turns.ts'
import {
  cut,
  garbage,
  lostAnswer,
  refusedWith,
  serverError,
  stalled,
} from '#test/servers/aws-front/effects.ts'
import type { Effect, Fault } from '#test/servers/aws-front/faults.ts'
import { hasty, ibmForTests } from './ibm-tests.ts'

const MiB = 1024 ** 2
const ibm = ibmForTests()
const someOf = inTurns()
const tooMany = refusedWith({ code: 'too_many_requests', message: 'slow down', status: 429 })

async function publishThrough(front: 'double' | 'cos', fault: Fault): Promise<number> {
  const artifact = await ibm.ibm.newArtifact(8 * MiB)
  const injected = ibm.ibm[front].inject(fault)
  try {
    await ibm.publish(artifact)
  } finally {
    injected.remove()
  }
  await ibm.expectOnlyImage(artifact)
  return injected.count
}

describe('a publish', () => {
  const ofVpc = ['CreateImage', 'AttachTag', 'CreateToken', 'GetImage', 'ListImages', 'ListOperatingSystems']
  const ofBucket = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload', 'DeleteObject']

  test.each(ofVpc)('goes on when the answer to %s is lost, with one effect', async (action) => {
    if (action === 'CreateToken') ibm.ibm.double.endTokens()
    for (const effect of someOf([lostAnswer(), cut(true), garbage(200, true)]))
      expect(await publishThrough('double', { action, times: 1, effect })).toBe(1)
  })

  test.each(ofVpc)('goes on when %s fails for a while', async (action) => {
    expect(await publishThrough('double', { action, times: 1, effect: tooMany })).toBe(1)
    if (action === 'CreateImage') return
    expect(await publishThrough('double', { action, times: 2, effect: serverError() })).toBe(2)
  })

  test('that fails because IBM itself failed is one image after the next try', async () => {
    const artifact = await ibm.ibm.newArtifact(8 * MiB)
    const fault = ibm.ibm.double.inject({ action: 'CreateImage', times: 1, effect: serverError() })
    expect(await ibm.failureOf(artifact)).toMatchObject({ code: 'ibm-failed', class: 'infra' })
    fault.remove()
    await ibm.publish(artifact)
    await ibm.expectOnlyImage(artifact)
  })

  test.each(ofBucket)('goes on when the answer to %s is lost, with one effect', async (action) => {
    const faults: [number, Effect][] = [
      [1, lostAnswer()],
      [1, cut(true)],
      [2, serverError()],
    ]
    for (const [times, effect] of someOf(faults))
      expect(await publishThrough('cos', { action, times, effect })).toBe(times)
  })

  test('sends a part again that arrived broken', async () => {
    const effect = refusedWith({ code: 'BadDigest', message: 'The Content-MD5 did not match' })
    expect(await publishThrough('cos', { action: 'UploadPart', times: 2, effect })).toBe(2)
  })

  test('goes on when somebody else sends the same parts at the same time', async () => {
    const effect = refusedWith({ code: 'InvalidPart', message: 'The part has another tag', status: 400 })
    expect(await publishThrough('cos', { action: 'CompleteMultipartUpload', times: 1, effect })).toBe(1)
  })

  test('asks for a new token when the old one is refused in the middle', async () => {
    const artifact = await ibm.ibm.newArtifact(8 * MiB)
    let ended = false
    ibm.ibm.double.inject({
      action: 'AttachTag',
      when: () => {
        if (!ended) ibm.ibm.double.endTokens()
        ended = true
        return false
      },
      effect: stalled(),
    })
    await ibm.publish(artifact)
    expect(ibm.ibm.double.calls('CreateToken').length).toBeGreaterThan(1)
    await ibm.expectOnlyImage(artifact)
  })

  test('never asks with a token that is about to end', async () => {
    ibm.ibm.double.settings.tokenSeconds = 299
    const artifact = await ibm.ibm.newArtifact(8 * MiB)
    await ibm.publish(artifact)
    const asked = ibm.ibm.double.requests.filter(({ service }) => service !== 'iam').length
    expect(ibm.ibm.double.calls('CreateToken').length).toBeGreaterThanOrEqual(asked - 2)
    await ibm.expectOnlyImage(artifact)
  })
})

describe('the removal of an image', () => {
  test.each(['DeleteImage', 'DeleteTag'])('goes on when the answer to %s is lost', async (action) => {
    const artifact = await ibm.ibm.newArtifact(8 * MiB)
    const image = await ibm.publish(artifact)
    const fault = ibm.ibm.double.inject({ action, times: 1, effect: lostAnswer() })
    await (await ibm.images()).remove(image, hasty())
    fault.remove()
    expect(fault.count).toBe(1)
    expect(ibm.ibm.double.world.images.has(image.id)).toBe(false)
  })
})

describe('a request for a machine', () => {
  async function rentThrough(fault: Fault): Promise<{ ref: BuilderRef; count: number }> {
    const { spec } = ibm.ibm
    const lease = ibm.ibm.newLease()
    const pool = (await ibm.ibm.open()).builders!
    const injected = ibm.ibm.double.inject(fault)
    try {
      const ref = await pool.acquire(spec, lease, hasty())
      injected.remove()
      const machines = [...ibm.ibm.double.world.instances.values()]
      expect(machines.map(({ id }) => id)).toEqual([ref.machine])
      expect(ibm.ibm.double.world.addresses.size).toBe(1)
      expect(ibm.ibm.double.world.volumes.size).toBe(2)
      return { ref, count: injected.count }
    } finally {
      injected.remove()
      await pool.release(lease.id, hasty())
      const { instances, volumes, addresses } = ibm.ibm.double.world
      expect([instances.size, volumes.size, addresses.size]).toEqual([0, 0, 0])
    }
  }

  const making = ['CreateInstance', 'CreateFloatingIp', 'AttachTag', 'GetInstance', 'ListFloatingIps']
  test.each(making)('whose answer to %s is lost gets one machine and no second one', async (action) => {
    const effects = someOf([lostAnswer(), cut(true), garbage(200, true)])
    for (const effect of effects) expect((await rentThrough({ action, times: 1, effect })).count).toBe(1)
    expect(ibm.ibm.double.calls('CreateInstance')).toHaveLength(effects.length)
    expect(ibm.ibm.double.calls('CreateFloatingIp')).toHaveLength(effects.length)
  })

  test.each(making)('goes on when %s is refused for a while', async (action) => {
    expect((await rentThrough({ action, times: 1, effect: tooMany })).count).toBe(1)
  })

  test('whose address has to be bound anew goes on when the answer to that is lost', async () => {
    const { spec } = ibm.ibm
    const lease = ibm.ibm.newLease()
    const pool = (await ibm.ibm.open()).builders!
    const first = await pool.acquire(spec, lease, hasty())
    ibm.ibm.double.powerOff(first.machine)
    const fault = ibm.ibm.double.inject({ action: 'UpdateFloatingIp', times: 1, effect: lostAnswer() })
    const second = await pool.acquire(spec, lease, hasty())
    expect(fault.count).toBe(1)
    const [address] = [...ibm.ibm.double.world.addresses.values()]
    expect(address!.target).toBe(ibm.ibm.double.world.instances.get(second.machine)!.interfaceId)
    await pool.release(lease.id, hasty())
  })

  test('that is one of too many is repeated, whatever limit the answer speaks of', async () => {
    const effect = refusedWith({ code: 'rate_limit_exceeded', message: 'slow down', status: 429 })
    expect((await rentThrough({ action: 'CreateFloatingIp', times: 1, effect })).count).toBe(1)
  })

  test('is repeated under its name when IBM failed before it did anything', async () => {
    expect((await rentThrough({ action: 'CreateInstance', times: 1, effect: serverError() })).count).toBe(1)
    const names = ibm.ibm.double
      .calls('CreateInstance')
      .map(({ parameters }) => (JSON.parse(parameters['body']!) as { name: string }).name)
    expect(names).toHaveLength(2)
    expect(new Set(names).size).toBe(1)
  })

  test('whose factory was killed meanwhile is found at the next try', async () => {
    const { spec } = ibm.ibm
    const lease = ibm.ibm.newLease()
    const { happened, remove } = ibm.ibm.double.inject({
      action: 'CreateInstance',
      times: 1,
      effect: stalled(true),
    })
    const killed = new AbortController()
    const pool = (await ibm.ibm.open()).builders!
    const acquiring = pool.acquire(spec, lease, { ...hasty(), signal: killed.signal })
    acquiring.catch(() => {})
    await happened
    killed.abort(new Error('killed'))
    await expect(acquiring).rejects.toThrow('killed')
    remove()
    const again = (await ibm.ibm.open()).builders!
    const [found] = (await gather(again.find(ibm.ibm.owner, hasty()))).filter(
      ({ kind }) => kind === 'machine',
    )
    // Its marks never came; those of its volumes speak for it.
    const { id: leaseId, owner, release, arch, expires } = lease
    expect(found).toMatchObject({ leaseId, owner, release, arch, expires })
    const ref = await again.acquire(spec, lease, hasty())
    expect(ref.machine).toBe(found!.id)
    expect(ibm.ibm.double.world.instances.size).toBe(1)
    await again.release(lease.id, hasty())
  })
})

describe('giving back', () => {
  const ending = ['DeleteInstance', 'DeleteFloatingIp', 'DeleteTag', 'ListVolumes']
  test.each(ending)('goes on when the answer to %s is lost, until all is gone', async (action) => {
    const lease = ibm.ibm.newLease()
    const pool = (await ibm.ibm.open()).builders!
    await pool.acquire(ibm.ibm.spec, lease, hasty())
    const fault = ibm.ibm.double.inject({ action, times: 1, effect: lostAnswer() })
    await pool.release(lease.id, hasty())
    fault.remove()
    expect(fault.count).toBe(1)
    const { instances, volumes, addresses } = ibm.ibm.double.world
    expect([instances.size, volumes.size, addresses.size]).toEqual([0, 0, 0])
  })
})
