import { quoteCommand } from '#src/builder/quote.ts'
import type { Hypervisor } from './hypervisor.ts'
import { marksNamespace } from './lease-marks.ts'

/** How often a watchdog looks, and how long after the end of a lease it leaves the machine the time to end itself. */
export interface WatchPace {
  everySeconds: number
  graceSeconds: number
}

export const watchPace: WatchPace = { everySeconds: 20, graceSeconds: 60 }

/** A watchdog whose libvirt has not answered for so long gives up, or it would stay for ever where libvirt was removed. */
const patienceSeconds = 86_400

/**
 * Looks at the machine again and again. It ends when libvirt lists machines and that UUID is not among them: what virsh
 * says of one that is not there is also what it says when the connection breaks. The end of the lease is read from the machine each time, because a heartbeat moves it;
 * a machine without our marks is not ended. The time is the factory's at the start, and from there on the boot clock: a
 * clock of the hypervisor that is wrong or is set shortens no lease.
 */
const watch = `
export LC_ALL=C
connection=$1 uuid=$2 namespace=$3 every=$5 grace=$6 patience=$7
booted() { read -r up rest </proc/uptime && echo "\${up%.*}"; }
ask() { timeout 60 virsh -q -c "$connection" "$@"; }
ahead=$(($4 - $(booted)))
answered=$4 overdue=
while sleep "$every"; do
  now=$(($(booted) + ahead))
  if ! known=$(ask list --all --uuid); then
    [ $((now - answered)) -lt "$patience" ] || exit
    continue
  fi
  case $known in *"$uuid"*) answered=$now ;; *) exit ;; esac
  said=$(ask metadata --domain "$uuid" --uri "$namespace") || continue
  expires=$(echo "$said" | sed -n 's/.* expires="\\([0-9-]*\\)T\\([0-9:]*\\)[^"]*".*/\\1 \\2/p')
  # Nothing at all would be taken for the last midnight.
  end=$(date -u -d "\${expires:-no end}" +%s) || continue
  [ "$now" -ge "$end" ] || { overdue=; continue; }
  overdue=\${overdue:-$now}
  if [ $((now - overdue)) -ge "$grace" ]; then
    ask destroy --domain "$uuid" && exit
  fi
done
`

/** First proves that the machine can be seen from there; a watchdog that sees nothing is none. */
const leave = `
script=$1 connection=$2 uuid=$3
shift
virsh -q -c "$connection" domstate --domain "$uuid" >/dev/null || exit 1
for program in setsid timeout; do command -v "$program" >/dev/null || exit 1; done
cd /
setsid sh -c "$script" factory-watchdog "$@" </dev/null >/dev/null 2>&1 &
`

/**
 * A shell command that leaves a watchdog over a machine that runs, and returns: a process in a session of its own that
 * ends the machine when its lease is over, also when the machine never got as far as its own timer. It runs on the
 * hypervisor, so that it needs nothing of this machine any more; where that has no virsh or lets us run nothing, here.
 */
export function watchdogCommand(hypervisor: Hypervisor, uuid: string, pace: WatchPace, now: number): string {
  const { everySeconds, graceSeconds } = pace
  const times = [Math.floor(now / 1000), everySeconds, graceSeconds, patienceSeconds].map(String)
  const from = (connection: string) =>
    quoteCommand(['sh', '-c', leave, 'leave-watchdog', watch, connection, uuid, marksNamespace, ...times])
  const here = from(hypervisor.connection)
  const { ssh } = hypervisor
  if (!ssh) return here
  const there = quoteCommand(['ssh', ...ssh.options, '--', ssh.destination, from(ssh.connection)])
  return `${there} || ${here}`
}
