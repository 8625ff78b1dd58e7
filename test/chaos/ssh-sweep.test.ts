import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openLedger } from './ledger.ts'
import { partsOfPoint } from './cloud-points.ts'
import { cloudSweep } from './cloud-sweep.ts'
import { expectOneOfEveryMachine } from './cloud-world.ts'
import { type CloudWorld, cloudWorlds } from './cloud-worlds.ts'
import { programs, sshCloud } from './ssh-cloud.ts'

/*
 * The engine and the adapter for hosts that stand there already, as aws-sweep.test.ts has it for AWS: over a real sshd with
 * mounts and processes of its own. In the place of requests stand the programs that the adapter runs on the host: the
 * orchestrator is killed before the host has begun one, or when it is done and nobody has heard of it.
 * test/clouds/ssh-kills.test.ts kills while they run, at every tool that they call. A slot is logged in to with the key of
 * its lease, and what a build does in it is scripted. Hosts take no images: those go to the scripted cloud, whose calls
 * sweep.test.ts kills at, and are booted there.
 */
const sweep = cloudSweep({ openWorlds: () => cloudWorlds([1, 2], sshCloud), expectOneOfEverything })

/** Programs of the adapter that are no point of their own. */
const noPoints = {
  'changes nothing': ['look'],
  'part of the others': ['library'],
  'run on the host by the others, and go on whatever becomes of us': ['enter', 'keeper', 'slot'],
}

describe('an orchestrator with hosts that stand there already, killed and run again', () => {
  test('can be killed at every kind of program that changes something on a host', () => {
    const scripts = readdirSync(new URL('../../clouds/ssh/scripts', import.meta.url).pathname)
    const known = [...Object.keys(programs), ...Object.values(noPoints).flat()]
    expect(known.toSorted()).toEqual(scripts.map((name) => name.replace('.ts', '')).toSorted())
    const killedAt = new Set(sweep.kills().map(({ point }) => partsOfPoint(point).name))
    expect(Object.keys(programs).filter((name) => !killedAt.has(name))).toEqual([])
  })

  test('around every append and every program: one of everything, and nothing is left', sweep.killAround)

  test('again when it has taken up the slot of a run that was killed: still that one', () =>
    sweep.killWhenTakenUp(['take', 'prolong']))
})

describe('a connection to a host that breaks when a program has done its work', () => {
  test('costs no second slot, whichever it was', async () => {
    await sweep.inEach(sweep.whole.requests, sweep.loseAnswer)
  })
})

/** One slot for the build, one machine of the scripted cloud that boots the image, and that image once. */
async function expectOneOfEverything(world: CloudWorld, after: string): Promise<void> {
  await expectOneOfEveryMachine(world, after)
  using ledger = openLedger(world.directory)
  const machines = ledger.machines().filter(({ cloud }) => cloud === 'lab')
  expect(machines, after).toMatchObject([{ purpose: 'verify', givenBackAt: expect.any(Number) }])
  expect(ledger.images(), after).toMatchObject([{ complete: true, uploads: 1 }])
}
