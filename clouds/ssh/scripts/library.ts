/*
 * What runs on a host, as bash programs that take everything by argument. Below the directory of the configuration lies a
 * `lock`, in which leases stand that were given back a moment ago, and one directory a lease, called by its id, with
 *
 * - `lease`: lines of a name and a value, `owner`, `release`, `arch`, `expires`, `boot` (boot id of the host) and `key`;
 *   it is there as long as anything of the lease is,
 * - `alive`: locked as long as the slot's keeper lives, that is until the slot is emptied,
 * - `init`: process and PID namespace of the slot, once one can enter; `ending`: nobody may enter any more,
 * - `files`: what the build sees as /var/lib/factory, /var/lib/containers, /var/tmp, /tmp and /root,
 * - `keeper`, `slot`, `enter`: programs; `log`: what they said.
 *
 * Whoever changes leases or keys holds the lock of `lock`; nobody who holds it waits for a keeper, because keepers need it.
 */

/** A bash program, as it stands there; `\${` is bash's. */
export function program(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw(parts, ...values)
    .replaceAll('\\${', '${')
    .trim()
}

/** Common to the programs; needs `directory`, `user` and `keys`. */
export const library = program`
groups=/sys/fs/cgroup/image-factory
value() { sed -n "s/^$2 //p" "$directory/$1/lease" 2>/dev/null | head -n 1; }
boot_id() { cat /proc/sys/kernel/random/boot_id; }
uptime_seconds() { local up rest; read -r up rest </proc/uptime; echo "\${up%.*}"; }
# Shared, so that two who ask at once do not take each other for the keeper.
kept() { [ -e "$directory/$1/alive" ] && ! flock -s -n "$directory/$1/alive" true; }
leases() {
  local each
  for each in "$directory"/*/lease; do
    [ -f "$each" ] && basename "$(dirname "$each")"
  done
  return 0
}

# Every line of every lease file, and what became of its slot.
survey() {
  local id line state
  for id in $(leases); do
    state=over
    if kept "$id"; then
      state=starting
      [ ! -s "$directory/$id/init" ] || state=running
      [ ! -e "$directory/$id/ending" ] || state=ending
    fi
    while read -r line; do echo "lease $id $line"; done 2>/dev/null <"$directory/$id/lease" || continue
    [ "$(value "$id" boot)" = "$(boot_id)" ] || state=rebooted
    echo "lease $id state $state"
  done
}

keys_file() {
  case "$keys" in
    /*) readlink -m -- "$keys" ;;
    *) readlink -m -- "$(getent passwd "$user" | cut -d : -f 6)/$keys" ;;
  esac
}

# Under the lock. What a factory asked for before it gave the lease back may come after that, as long as programs may run:
# for so long the lock says which leases are over.
give_up() {
  local now name until lines=
  now=$(uptime_seconds)
  while read -r name until; do
    if [ "$until" -gt "$now" ] && [ "$until" -le $((now + 900)) ]; then lines+="$name $until"$'\n'; fi
  done <"$directory/lock"
  printf '%s%s %s\n' "$lines" "$1" $((now + 900)) >"$directory/lock"
}
given_up() { grep -q -- "^$1 " "$directory/lock"; }

# The first process of the slot, and with it every other; unless it is over and its number is somebody else's.
kill_slot() {
  local process space
  read -r process space 2>/dev/null <"$directory/$1/init" || return 0
  [ "$(readlink "/proc/$process/ns/pid")" = "$space" ] || return 0
  kill -KILL "$process" 2>/dev/null || :
}

# Arguments: lease id, and seconds that its key may still open the slot; none takes the key out. Fails when the file cannot
# be written to its end, as on a full disk: then the old one stays, without which nobody gets in any more.
write_key() {
  local id=$1 seconds=\${2-} file part
  file=$(keys_file)
  if [ ! -e "$file" ]; then
    [ -n "$seconds" ] || return 0
    install -d -m 0700 -o "$user" -- "$(dirname "$file")" || return
    install -m 0600 -o "$user" /dev/null "$file" || return
  fi
  # Under the lock there is only one; what was cut off is overwritten.
  part=$file.image-factory
  rm -f -- "$part"
  if ! write_part "$id" "$seconds" "$file" "$part"; then
    rm -f -- "$part"
    return 1
  fi
  if cmp -s "$part" "$file"; then rm -f -- "$part"; else mv -fT -- "$part" "$file"; fi
}

write_part() {
  local id=$1 seconds=$2 file=$3 part=$4
  (set -C && : >"$part") || return
  chown --reference="$file" "$part" || return
  chmod --reference="$file" "$part" || return
  sed -e "/ image-factory lease $id\$/d" -e '$a\' -- "$file" >"$part" || return
  if [ -n "$seconds" ]; then key_line "$id" "$seconds" >>"$part" || return; fi
  if command -v selinuxenabled >/dev/null && selinuxenabled; then chcon --reference="$file" "$part" || return; fi
  sync -- "$part"
}

key_line() {
  local id=$1 seconds=$2 command until
  command="bash $directory/$id/enter $directory $id"
  [ "$user" = root ] || command="sudo -n -- $command"
  until=$(date -d "@$(($(date +%s) + seconds))" +%Y%m%d%H%M%S) || return
  printf 'restrict,pty,expiry-time="%s",command="%s \\"$SSH_ORIGINAL_COMMAND\\"" %s image-factory lease %s\n' \
    "$until" "$command" "$(value "$id" key)" "$id"
}

# Loop devices and swap that processes of the slot left behind keep its files.
detach() {
  local files=$1 device inode name
  swapoff "$files/factory/swap" 2>/dev/null || :
  device=$(stat -c %d -- "$files") || return 0
  device=$(((device >> 8) & 0xfff)):$(((device & 0xff) | ((device >> 12) & 0xfff00)))
  while read -r name inode where _; do
    [ "$where" = "$device" ] || continue
    [ -z "$(find "$files" -xdev -inum "$inode" -print -quit)" ] || losetup --detach "$name"
  done < <(losetup --list --noheadings --output NAME,BACK-INO,BACK-MAJ:MIN 2>/dev/null)
}

# Argument: lease id. Its keeper is dead, or calls this: nothing of the build runs any more.
remove_files() {
  local dir=$directory/$1
  [ -e "$dir/files" ] || return 0
  detach "$dir/files"
  if ! rm -rf --one-file-system -- "$dir/files" 2>/dev/null; then
    chattr -R -f -i -a -- "$dir/files" 2>/dev/null || :
    rm -rf --one-file-system -- "$dir/files"
  fi
}

# As above; its key is out. The lease file goes last.
empty_slot() {
  local id=$1 dir=$directory/$1
  [ -d "$dir" ] || return 0
  remove_files "$id"
  # What waited outside for a process of the slot is a moment behind it.
  for _ in $(seq 50); do
    [ -d "$groups/$id" ] || break
    find "$groups/$id" -depth -type d -exec rmdir -- {} + 2>/dev/null || sleep 0.1
  done
  rm -rf -- "$directory/.gone-$id"
  mv -T -- "$dir" "$directory/.gone-$id"
  rm -rf -- "$directory/.gone-$id"
}
`
