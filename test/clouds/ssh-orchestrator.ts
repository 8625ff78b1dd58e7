import { readFileSync } from 'node:fs'
import { sshConfiguration } from '#clouds/ssh/config.ts'
import { createSshCloud } from '#clouds/ssh/index.ts'
import type { Pace } from '#clouds/ssh/settings.ts'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { testContext } from '#test/contract/shared.ts'

/** What a factory that is going to be killed is asked for. */
export interface Orders {
  work: 'acquire' | 'release'
  configuration: unknown
  settings: { owner: string; stateDirectory: string; pace: Pace }
  spec: BuilderSpec
  lease: Lease
}

/** A factory as a process of its own. Argument: a file with its orders. */
const orders: Orders = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const configuration = sshConfiguration.parse(orders.configuration)
const { builders } = await createSshCloud('standing', configuration, orders.settings)
if (orders.work === 'acquire') await builders!.acquire(orders.spec, orders.lease, testContext())
else await builders!.release(orders.lease.id, testContext())
