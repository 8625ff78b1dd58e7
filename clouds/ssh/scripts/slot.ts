import { program } from './library.ts'

/**
 * The first process of a slot, in its own mount, PID, IPC, UTS and (on cgroup 2) cgroup namespace. Arguments: directory,
 * lease id, and its cgroup, where it has one. The fixed paths that builds use become the slot's own; systemd is hidden, so that jobs stay in here; what others
 * have below the directory is hidden too. It ends with its keeper, and with it the kernel ends every process of the build.
 */
export const slotScript = program`
set -euo pipefail
umask 022
directory=$1
dir=$directory/$2
# As the host counts: /proc is still the host's.
read -r process _ </proc/self/stat
space=$(readlink /proc/self/ns/pid)
exec 6>"$dir/init" 7<"$dir/lives"

place() {
  mkdir -p "$dir/files/$1" "$2"
  chmod "$3" "$dir/files/$1"
  mount --bind "$dir/files/$1" "$2"
}
place factory /var/lib/factory 0755
place containers /var/lib/containers 0755
place var-tmp /var/tmp 1777
place tmp /tmp 1777
place root /root 0700

# Names are looked up where the host does it, also when that changes during a build.
resolver=$(dirname "$(readlink -f /etc/resolv.conf || echo /)")
case "$resolver" in
  /run/?*) mkdir "$dir/files/resolver" && mount --bind "$resolver" "$dir/files/resolver" ;;
  *) resolver= ;;
esac
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mkdir -m 1777 /run/lock
if [ -n "$resolver" ]; then
  mkdir -p "$resolver"
  mount --bind "$dir/files/resolver" "$resolver"
fi
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
mount -t proc -o nosuid,nodev,noexec proc /proc
if [ -n "\${3-}" ]; then
  # The kernel mounts no cgroup 2 right on top of one, although this one has another root.
  mkdir "$dir/files/groups"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$dir/files/groups"
  mount --bind "$dir/files/groups" /sys/fs/cgroup
fi
if command -v selinuxenabled >/dev/null && selinuxenabled; then
  restorecon -RF /var/lib/factory /var/lib/containers /var/tmp /tmp /root /run /dev/shm || :
fi
mount -t tmpfs -o size=4k,mode=0,ro tmpfs "$directory"

echo "$process $space" >&6
exec 6>&- </dev/null >/dev/null 2>&1
cd /
while read -r -u 7 _; do :; done
`
