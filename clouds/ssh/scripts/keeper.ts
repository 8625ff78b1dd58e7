import { leaseUntilFile } from '#src/builder/seed.ts'
import { library, program } from './library.ts'

/**
 * The keeper of a slot, outside of it. Arguments: directory, lease id, user, file of keys, second of the boot clock at which
 * the lease ends unless a heartbeat says otherwise, seconds between two looks. When the lease is over, when the slot is to end,
 * or when it ended by itself, the keeper ends every process of it and leaves nothing.
 */
export const keeperScript = program`
set -uo pipefail
umask 077
directory=$1 id=$2 user=$3 keys=$4 until=$5 every=$6
dir=$directory/$id
${library}
exec 8>"$dir/alive"
flock -w 10 8 || exit 0
# It came too late: somebody took the slot for one without a keeper.
[ "$dir/alive" -ef /proc/self/fd/8 ] || exit 0
cd /
mkfifo "$dir/lives"
exec 7<>"$dir/lives"

group=
if [ -e /sys/fs/cgroup/cgroup.controllers ] && mkdir -p "$groups/keepers" "$groups/$id/init"; then
  group=$groups/$id
  # Out of the session that it was started from: when that ends, this goes on.
  echo $$ >"$groups/keepers/cgroup.procs" || :
  # Containers have limits only where their controllers come down to; whoever makes groups without systemd does this.
  for above in /sys/fs/cgroup "$groups"; do
    for controller in $(cat "$above/cgroup.controllers"); do
      echo "+$controller" >"$above/cgroup.subtree_control" || :
    done
  done 2>/dev/null
fi

# A cgroup namespace has its root where its maker is, and that must hold no process for containers to get groups below it.
slot() {
  local own=(unshare --mount --pid --ipc --uts --fork --propagation private bash "$dir/slot" "$directory" "$id" "$group")
  [ -n "$group" ] || exec "\${own[@]}"
  echo "$BASHPID" >"$group/cgroup.procs"
  exec unshare --cgroup bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' slot "$group/init" "\${own[@]}"
}
slot 7>&- 8>&- &
holder=$!

over() {
  local said process
  [ ! -e "$dir/ending" ] || { echo "the slot was to end"; return 0; }
  read -r process _ 2>/dev/null <"$dir/init" || :
  said=$(timeout 5 head -c 12 -- "/proc/\${process:-none}/root${leaseUntilFile}" 2>/dev/null | tr -d '[:space:]')
  case "$said" in '' | *[!0-9]*) said=$until ;; esac
  [ "$(uptime_seconds)" -ge "$said" ] || return 1
  echo "the lease ended at second $said of the boot clock"
}
while kill -0 "$holder" 2>/dev/null; do
  sleep "$every" 7>&- 8>&- &
  sleeper=$!
  wait -n
  kill "$sleeper" 2>/dev/null
  if over; then break; fi
done

touch "$dir/ending"
# Without its keeper a slot ends by itself, also one that nobody can enter yet.
exec 7>&-
rm -f "$dir/lives"
kill_slot "$id"
wait "$holder" 2>/dev/null
remove_files "$id"
(
  flock 9
  write_key "$id"
) 9>>"$directory/lock" || exit
empty_slot "$id"
`
