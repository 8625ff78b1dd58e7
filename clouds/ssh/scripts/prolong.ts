import { library, program } from './library.ts'

/**
 * Moves the end of a lease. Arguments: directory, lease id, user, file of keys, owner, the new end (RFC 3339), seconds until
 * then. One line: `prolonged`, `gone`, or `busy`.
 */
export const prolongScript = program`
set -euo pipefail
umask 077
directory=$1 id=$2 user=$3 keys=$4 owner=$5 expires=$6 seconds=$7
dir=$directory/$id
${library}
answer() {
  echo "$*"
  exit 0
}
[ -d "$directory" ] || answer gone
exec 9>>"$directory/lock"
flock -w 50 9 || answer busy
if [ ! -e "$dir/lease" ] || [ "$(value "$id" owner)" != "$owner" ]; then answer gone; fi
if ! kept "$id" || [ -e "$dir/ending" ]; then answer gone; fi
sed "s/^expires .*/expires $expires/" "$dir/lease" >"$dir/lease.part"
sync -- "$dir/lease.part"
mv -fT -- "$dir/lease.part" "$dir/lease"
write_key "$id" "$seconds"
answer prolonged
`
