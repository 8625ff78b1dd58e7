import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BuilderSpec } from '#clouds/types.ts'
import { type OpenCloud, gather, newLease, testContext } from './shared.ts'

export interface BuildersFixture extends OpenCloud {
  /** A machine that is started quickly; it need not answer over SSH. */
  readonly spec: BuilderSpec
}

/** What every cloud that rents machines must do. */
export function builderContract(kind: string, makeFixture: () => Promise<BuildersFixture>): void {
  describe(`${kind} keeps the contract of builders`, () => {
    let fixture: BuildersFixture
    beforeAll(async () => {
      fixture = await makeFixture()
    })
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    test('rents one machine for a lease however often it is asked, marks it, and gives everything back', async () => {
      const { owner, spec } = fixture
      const ctx = testContext()
      const lease = newLease(owner, spec.arch)
      const first = await (await fixture.open()).builders!.acquire(spec, lease, ctx)
      const cloud = await fixture.open()
      try {
        const second = await cloud.builders!.acquire(spec, lease, ctx)
        expect(second).toEqual(first)
        const found = await gather(cloud.builders!.find(owner, ctx))
        const machines = found.filter(({ kind }) => kind === 'machine')
        expect(machines).toHaveLength(1)
        for (const resource of found) {
          const { id: leaseId, release, arch, expires } = lease
          expect(resource).toMatchObject({ owner, leaseId, release, arch, expires })
        }
        expect(await gather(cloud.builders!.find('somebody-else', ctx))).toEqual([])
      } finally {
        await cloud.builders!.release(lease.id, ctx)
      }
      await cloud.builders!.release(lease.id, ctx)
      expect(await gather(cloud.builders!.find(owner, ctx))).toEqual([])
    })

    test('takes giving back what was never rented for success', async () => {
      await (await fixture.open()).builders!.release('t-never-rented', testContext())
    })

    test('shows the new end on everything of a lease that was prolonged', async () => {
      const { owner, spec } = fixture
      const ctx = testContext()
      const lease = newLease(owner, spec.arch)
      const cloud = await fixture.open()
      const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
      const ends = [inHours(2), inHours(4)] as const
      await cloud.builders!.acquire(spec, lease, ctx)
      try {
        for (const end of [ends[0], ends[1], ends[1]]) {
          await (await fixture.open()).builders!.prolong(lease.id, end, ctx)
        }
        const found = await gather(cloud.builders!.find(owner, ctx))
        expect(found.some(({ kind }) => kind === 'machine')).toBe(true)
        expect(new Set(found.map(({ leaseId, expires }) => `${leaseId} ${expires}`))).toEqual(
          new Set([`${lease.id} ${ends[1]}`]),
        )
      } finally {
        await cloud.builders!.release(lease.id, ctx)
      }
      expect(await gather(cloud.builders!.find(owner, ctx))).toEqual([])
    })

    test('says that a lease is gone when the machine to prolong is not there', async () => {
      const { builders } = await fixture.open()
      const end = new Date(Date.now() + 3_600_000).toISOString()
      const gone = { code: 'lease-gone', class: 'infra' }
      await expect(builders!.prolong('t-never-rented', end, testContext())).rejects.toMatchObject(gone)
    })
  })
}
