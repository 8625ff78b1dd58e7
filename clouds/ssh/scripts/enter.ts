import { program } from './library.ts'

/**
 * What the key of a lease runs, whatever it asks for. Arguments: directory, lease id, the command (none for a shell). It runs
 * in the slot, as root, or not at all.
 */
export const enterScript = program`
directory=$1 id=$2 command=$3
dir=$directory/$id
over() {
  echo "the slot of lease $id is over" >&2
  exit 75
}
[ ! -e "$dir/ending" ] && read -r process space 2>/dev/null <"$dir/init" || over
[ "$(readlink "/proc/$process/ns/pid")" = "$space" ] || over
own=(--mount --pid --ipc --uts)
group=/sys/fs/cgroup/image-factory/$id/init
if [ -d "$group" ]; then
  echo $$ >"$group/cgroup.procs" || over
  own+=(--cgroup)
fi
unset XDG_RUNTIME_DIR XDG_SESSION_ID DBUS_SESSION_BUS_ADDRESS SSH_ORIGINAL_COMMAND
# As many as systemd gives a job, or what there is.
ulimit -Sn 1048576 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
export HOME=/root USER=root LOGNAME=root
if [ -z "$command" ]; then exec nsenter --target "$process" "\${own[@]}" -- bash -c 'cd; exec bash -l'; fi
exec nsenter --target "$process" "\${own[@]}" -- bash -c 'cd; exec bash -c "$1"' slot "$command"
`
