import { library, program } from './library.ts'

/**
 * Ends a lease with everything of it. Arguments: directory, lease id, user, file of keys, owner, seconds that emptying may
 * take. One line: `gone`, or `busy` when processes or files are still there. What is somebody else's is left alone.
 */
export const giveBackScript = program`
set -euo pipefail
umask 077
directory=$1 id=$2 user=$3 keys=$4 owner=$5 patience=$6
dir=$directory/$id
${library}
answer() {
  echo "$*"
  exit 0
}
[ -d "$directory" ] || answer gone
exec 9>>"$directory/lock"
flock -w 50 9 || answer busy
rm -rf -- "$directory/.part-$id" "$directory/.gone-$id"
if [ -e "$dir/lease" ] && [ "$(value "$id" owner)" != "$owner" ]; then answer gone; fi
# On a full disk none of these can be written, and nothing makes room but what follows.
give_up "$id" || :
[ -e "$dir/lease" ] || answer gone
write_key "$id" || :
touch "$dir/ending" || :
if kept "$id"; then kill_slot "$id"; fi
exec 8>>"$dir/alive"
# Its keeper needs the lock to end.
flock -u 9
flock -w "$patience" 8 || answer busy
flock -w 50 9 || answer busy
# Emptied by its keeper meanwhile.
[ "$dir/alive" -ef /proc/self/fd/8 ] || answer gone
remove_files "$id"
write_key "$id"
empty_slot "$id"
answer gone
`
