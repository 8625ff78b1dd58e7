import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { giveBackScript } from '#clouds/ssh/scripts/give-back.ts'
import { prolongScript } from '#clouds/ssh/scripts/prolong.ts'
import { takeScript } from '#clouds/ssh/scripts/take.ts'
import { createSshFixture } from '#test/clouds/ssh-fixture.ts'
import type { StandingHost } from '#test/servers/standing-host.ts'
import { eventually } from '#test/servers/sshd.ts'
import { partsOfPoint } from './cloud-points.ts'
import type { Outage, Struck, WorldCloud } from './cloud-worlds.ts'

/** The programs that change something on a host. */
export const programs = { take: takeScript, prolong: prolongScript, 'give-back': giveBackScript } as const

const points = '/var/lib/points'
const reachedLimitMs = 60_000

/**
 * In the place of bash: writes down each of those programs and each first process of a slot, with its lease. One that stands
 * in `stops` is done or not, and then breaks its connection, or waits until it may end and answers nobody.
 */
const watched = `
case "\${1-}" in
  -c) name=$(sed -n "s/^$(printf %s "$2" | sha256sum | cut -c 1-64) //p" ${points}/names) lease=\${5-} ;;
  */slot) name=slot lease=\${3-} ;;
  *) name= ;;
esac
[ -n "$name" ] || exec /usr/bin/bash "$@"
exec 200>>${points}/lock
/usr/bin/flock 200
echo "$name $lease" >>${points}/calls
stop=$name-$(grep -c "^$name " ${points}/calls)
exec 200>&-
read -r kind isDone 2>/dev/null <"${points}/$stop" || exec /usr/bin/bash "$@"
[ "$isDone" = false ] || /usr/bin/bash "$@"
: >"${points}/$stop-reached"
if [ "$kind" = cut ]; then
  session=$PPID
  until grep -q ^sshd "/proc/$session/comm"; do session=$(cut -d ' ' -f 4 "/proc/$session/stat"); done
  kill -KILL "$session"
  exit
fi
while [ -e "${points}/$stop" ]; do sleep 0.05; done
`

/** A host that stands there already, with nothing on it. */
export async function sshCloud(): Promise<WorldCloud> {
  await using opened = new AsyncDisposableStack()
  const fixture = opened.use(await createSshFixture())
  const host = fixture.hosts[0]!
  const at = (name: string) => host.locally(`${points}/${name}`)
  mkdirSync(at(''))
  const names = Object.entries(programs).map(([name, script]) => `${digestOf(script)} ${name}\n`)
  writeFileSync(at('names'), names.join(''))
  writeFileSync(at('calls'), '')
  await host.lie('bash', watched)
  const calls = () => readFileSync(at('calls'), 'utf8').split('\n').slice(0, -1)
  const { configuration, settings } = fixture.orders
  const held = opened.move()
  return {
    account: {
      kind: 'ssh',
      owner: fixture.owner,
      format: 'raw',
      configuration: configuration as object,
      settings: { pace: settings.pace },
    },
    regions: [],
    changes: () => calls().flatMap((call) => (isSlot(call) ? [] : call.replace(/ .*/, ''))),
    forgetRequests: () =>
      writeFileSync(
        at('calls'),
        calls()
          .filter(isSlot)
          .map((call) => `${call}\n`)
          .join(''),
      ),
    strike(request, outage) {
      const { name, number } = partsOfPoint(request)
      const before = calls().filter((call) => call.startsWith(`${name} `)).length
      return struck(at(`${name}-${before + number}`), outage)
    },
    living: () => Promise.resolve(leasesOn(host)),
    started: () =>
      Promise.resolve(
        calls()
          .filter(isSlot)
          .map((call) => call.replace(/.* /, '')),
      ),
    others: () => whatIsLeft(host),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

function struck(stop: string, { kind, isDone }: Outage): Struck {
  writeFileSync(stop, `${kind} ${isDone}\n`)
  const isReached = () => existsSync(`${stop}-reached`)
  return {
    get count() {
      return isReached() ? 1 : 0
    },
    get happened() {
      return eventually(`the end of ${stop}`, isReached, reachedLimitMs)
    },
    remove: () => rmSync(stop),
  }
}

function isSlot(call: string): boolean {
  return call.startsWith('slot ')
}

/** Every lease has a directory there. */
function leasesOn(host: StandingHost): string[] {
  const directory = host.locally('/var/lib/image-factory')
  if (!existsSync(directory)) return []
  return readdirSync(directory).filter((name) => name !== 'lock')
}

/** Keys, directories and processes of leases; what watched one goes a moment after it. */
async function whatIsLeft(host: StandingHost): Promise<string[]> {
  const look = async () =>
    await host.run(`
      grep -o 'image-factory lease .*' /root/.ssh/authorized_keys || :
      pgrep -f '[k]eeper|[u]nshare' || :`)
  await eventually('nothing is left', async () => (await look()) === '').catch(() => {})
  return (await look()).split('\n').filter((line) => line !== '')
}

function digestOf(script: string): string {
  return createHash('sha256').update(script).digest('hex')
}
