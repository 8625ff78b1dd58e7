/**
 * Prepares a builder's storage; safe to run any number of times. Arguments: label of the file system, serial of the data
 * disk, mount point, bytes wanted in /run and /tmp, bytes of memory and swap below which a swap file is made, its size,
 * bytes that must stay free for the build all the same. Prints `note TEXT`, `checked` when the space was found enough
 * before, and `free DIRECTORY DEVICE BYTES`.
 */
export const storageScript = String.raw`
set -euo pipefail
label=$1 serial=$2 data=$3 run_bytes=$4 tmp_bytes=$5 memory_wanted=$6 swap_bytes=$7 build_bytes=$8
say() { echo "note $*"; }
exec 9>/run/factory-storage.lock
flock 9

disk=
for candidate in /sys/block/*/serial; do
  [ -r "$candidate" ] || continue
  if [ "$(tr -d '[:space:]' <"$candidate")" = "$serial" ]; then disk=/dev/$(basename "$(dirname "$candidate")"); fi
done
if [ -z "$disk" ] && [ -e "/dev/disk/by-id/virtio-$serial" ]; then disk=$(readlink -f "/dev/disk/by-id/virtio-$serial"); fi

mkdir -p "$data"
if [ -n "$disk" ] && ! mountpoint -q "$data"; then
  if [ "$(blkid -o value -s LABEL "$disk" 2>/dev/null || true)" != "$label" ]; then
    mkfs.ext4 -q -F -L "$label" -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$disk"
    say "made a file system on $disk"
  fi
  mount -t ext4 -o noatime,noinit_itable "$disk" "$data"
fi
[ -n "$disk" ] || say "no data disk with serial $serial: everything goes to the root file system"

mkdir -p "$data/output" "$data/jobs" "$data/work"
chmod 0700 "$data/jobs" "$data/work"
if [ -n "$disk" ]; then
  place() {
    mkdir -p "$data/$1" "$2"
    [ "$(stat -c %d "$2")" = "$(stat -c %d "$data")" ] && return
    cp -a "$2/." "$data/$1/"
    mount --bind "$data/$1" "$2"
  }
  place containers /var/lib/containers
  place tmp /var/tmp
  chmod 1777 /var/tmp
  if command -v selinuxenabled >/dev/null && selinuxenabled; then restorecon -RF /var/lib/containers /var/tmp; fi
fi

grow() {
  [ "$(stat -f -c %T "$1")" = tmpfs ] && mountpoint -q "$1" || return 0
  [ "$(df -B1 --output=size "$1" | tail -n 1)" -ge "$2" ] && return 0
  mount -o "remount,size=$2" "$1" && say "made $1 larger"
}
grow /run "$run_bytes" || say "/run cannot be made larger"
grow /tmp "$tmp_bytes" || say "/tmp cannot be made larger"

kibibytes() { sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
memory=$((($(kibibytes MemTotal) + $(kibibytes SwapTotal)) * 1024))
available=$(df -B1 --output=avail "$data" | tail -n 1)
swap=$data/swap
if [ "$memory" -lt "$memory_wanted" ] && [ $((available - swap_bytes)) -ge "$build_bytes" ] && [ ! -e "$swap" ]; then
  if fallocate -l "$swap_bytes" "$swap" && chmod 0600 "$swap" && mkswap "$swap" >/dev/null && swapon "$swap"; then
    say "little memory: added a swap file"
  else
    rm -f "$swap"
    say "little memory, and a swap file cannot be added"
  fi
fi
[ ! -e "$data/checked" ] || echo checked

for place in /var/lib/factory /var/lib/containers /var/tmp; do
  mkdir -p "$place"
  echo "free $place $(stat -c %d "$place") $(df -B1 --output=avail "$place" | tail -n 1 | tr -d ' ')"
done
`
