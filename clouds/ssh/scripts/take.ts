import { library, program } from './library.ts'

/**
 * Takes a slot for a lease, once. Arguments: directory, lease id, user, file of keys, owner, slots of the host, bytes that must
 * be free, seconds that the lease lasts, seconds between two looks of the keeper, and as the rest the lease file and the
 * programs `keeper`, `slot` and `enter`. Last line: `ready`, `full`, `room FREE`, `busy` (ask again), `foreign`,
 * `over` (it was given back before), or `failed WORDS`. Before it stands a survey where that explains the answer.
 */
export const takeScript = program`
set -euo pipefail
umask 077
directory=$1 id=$2 user=$3 keys=$4 owner=$5 slots=$6 needed=$7 seconds=$8 every=$9
lease=\${10} keeper=\${11} slot=\${12} enter=\${13}
dir=$directory/$id
${library}
answer() {
  echo "$*"
  exit 0
}
mkdir -p -- "$directory"
exec 9>>"$directory/lock"
flock -w 50 9 || answer busy
if given_up "$id"; then answer over; fi
rm -rf -- "$directory"/.part-* "$directory"/.gone-*

# What was cut off has no keeper; whoever is still within its time may want to look at it, and keeps its slot.
clear_away() {
  (
    flock -w 5 8 || exit 0
    remove_files "$1"
    write_key "$1"
    empty_slot "$1"
  ) 8>>"$directory/$1/alive"
}
taken=0
for other in $(leases); do
  [ "$other" != "$id" ] || continue
  # For date, nothing is the midnight before.
  end=$(date -d "$(value "$other" expires | grep . || echo never)" +%s 2>/dev/null || echo 99999999999)
  if ! kept "$other" && [ "$(date +%s)" -gt $((end + 60)) ]; then clear_away "$other"; fi
  [ ! -e "$directory/$other/lease" ] || taken=$((taken + 1))
done

if [ -e "$dir/lease" ]; then
  [ "$(value "$id" owner)" = "$owner" ] || answer foreign
  if kept "$id"; then
    if [ -e "$dir/ending" ]; then answer busy; fi
    if [ -s "$dir/init" ]; then
      write_key "$id" "$seconds"
      answer ready
    fi
    touch "$dir/ending"
    answer busy
  fi
  clear_away "$id"
fi
if [ "$taken" -ge "$slots" ]; then
  survey
  answer full
fi
free=$(df -B1 --output=avail "$directory" | tail -n 1 | tr -d ' ')
if [ "$free" -lt "$needed" ]; then
  survey
  answer room "$free"
fi

part=$directory/.part-$id
mkdir "$part"
printf '%s\nboot %s\n' "$lease" "$(boot_id)" >"$part/lease"
printf '%s' "$keeper" >"$part/keeper"
printf '%s' "$slot" >"$part/slot"
printf '%s' "$enter" >"$part/enter"
sync -- "$part"/* "$part"
mv -T -- "$part" "$dir"
sync -- "$directory"
until=$(($(uptime_seconds) + seconds))
# What it says outlives the slot's directory.
exec 5<>"$dir/log"
setsid bash "$dir/keeper" "$directory" "$id" "$user" "$keys" "$until" "$every" </dev/null >>"$dir/log" 2>&1 5>&- 9>&- &
for _ in $(seq 150); do
  if [ -s "$dir/init" ] || [ -e "$dir/ending" ] || [ ! -d "$dir" ]; then break; fi
  sleep 0.2
done
if [ ! -s "$dir/init" ] || [ -e "$dir/ending" ]; then
  words=$(tail -n 3 <&5 | tr '\n' ' ')
  touch "$dir/ending" 2>/dev/null || :
  answer failed "$words"
fi
write_key "$id" "$seconds"
answer ready
`
