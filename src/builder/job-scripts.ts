/*
 * What runs on the builder for a job, as bash programs that take everything by argument. A job's directory holds
 * `script`, `log`, `begun` (boot id and process of the runner), `alive` (locked as long as the runner lives), `stopped`
 * and, at the end, `rc`.
 */

/** Arguments: job directory. Whoever makes `begun` first runs the job; anybody else leaves. */
const runner = String.raw`
dir=$1
export LANG=C.UTF-8 FACTORY_JOB="$dir"
umask 022
cd /
[ -e "$dir/stopped" ] && exit 0
exec 8>"$dir/alive"
flock -n 8 || exit 0
printf '%s %s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$$" >"$dir/begun.tmp"
ln "$dir/begun.tmp" "$dir/begun" 2>/dev/null || exit 0
code=0
bash -euo pipefail "$dir/script" >>"$dir/log" 2>&1 </dev/null 8>&- || code=$?
[ -e "$dir/stopped" ] && exit 0
printf '%s\n' "$code" >"$dir/rc.tmp"
mv -f "$dir/rc.tmp" "$dir/rc"
`

/**
 * Arguments: jobs directory, job id, size of the script in bytes; the script comes by standard input. Safe to run any
 * number of times and from two sides at once. The size is compared because a broken connection looks like the end.
 */
export const startScript = String.raw`
set -euo pipefail
umask 077
dir=$1/$2
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
if [ -e "$dir/begun" ] || [ -e "$dir/stopped" ]; then exit 0; fi
cat >"$dir/script.tmp"
[ "$(stat -c %s "$dir/script.tmp")" = "$3" ] || { echo "the script did not arrive whole" >&2; exit 75; }
mv -f "$dir/script.tmp" "$dir/script"
touch "$dir/log"
cat >"$dir/runner" <<'RUNNER'
${runner.trim()}
RUNNER
if [ -d /run/systemd/system ]; then
  systemctl reset-failed "factory-job-$2" 2>/dev/null || true
  systemd-run --quiet --collect --no-ask-password --unit="factory-job-$2" --description="image factory job $2" \
    --property=KillMode=control-group --property=TimeoutStopSec=10 --property=OOMPolicy=continue \
    --property=TasksMax=infinity --property=LimitNOFILE=1048576 --property=Delegate=yes \
    --setenv=HOME="$HOME" --setenv=PATH="$PATH" \
    bash "$dir/runner" "$dir" 9>&-
else
  setsid bash "$dir/runner" "$dir" </dev/null >/dev/null 2>&1 9>&- &
fi
for _ in $(seq 200); do
  [ -e "$dir/begun" ] && exit 0
  sleep 0.1
done
echo "the job did not begin within 20 s" >&2
exit 75
`

/** Arguments: job directory. One line: `absent`, `running PID`, or `done CODE`, `stopped`, `rebooted`, `killed` with LOGBYTES. */
export const statusScript = String.raw`
dir=$1
[ -e "$dir/begun" ] || [ -e "$dir/stopped" ] || { echo absent; exit; }
bytes() { stat -c %s "$dir/log" 2>/dev/null || echo 0; }
finished() { [ -e "$dir/rc" ] && echo "done $(cat "$dir/rc") $(bytes)"; }
finished && exit
here=$(cat /proc/sys/kernel/random/boot_id)
read -r boot process _ 2>/dev/null <"$dir/begun"
if [ "$boot" = "$here" ] && ! flock -n "$dir/alive" true; then
  echo "running $process"
  exit
fi
finished && exit
if [ -e "$dir/stopped" ]; then echo "stopped $(bytes)"
elif [ "$boot" != "$here" ]; then echo "rebooted $(bytes)"
else echo "killed $(bytes)"
fi
`

/** Arguments: job directory, first byte (from 1), runner's process. Ends when the runner has ended. */
export const tailScript = 'exec tail -c "+$2" -f -s 0.2 --pid="$3" -- "$1/log"'

/** Arguments: job directory, first byte (from 1), number of bytes. */
export const restScript = 'tail -c "+$2" -- "$1/log" | head -c "$3"'

/** Arguments: job directory, number of bytes. One line: how many of these the log has, and their sha256. */
export const logScript = String.raw`
set -euo pipefail
size=$(stat -c %s -- "$1/log")
digest=$(head -c "$2" -- "$1/log" | sha256sum | cut -d ' ' -f 1)
echo "$((size < $2 ? size : $2)) $digest"
`

/**
 * Arguments: jobs directory, job id. Without systemd, processes are found by the mark in their environment, which also
 * those carry that left the session.
 */
export const stopScript = String.raw`
dir=$1/$2
mkdir -p "$dir"
touch "$dir/stopped"
if [ -d /run/systemd/system ]; then
  systemctl stop "factory-job-$2" 2>/dev/null
  exit 0
fi
members() { grep -lzxF "FACTORY_JOB=$dir" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3; }
for name in TERM KILL KILL KILL; do
  found=$(members)
  [ -n "$found" ] || exit 0
  kill -s "$name" $found 2>/dev/null
  for _ in $(seq 30); do [ -n "$(members)" ] || exit 0; sleep 0.1; done
done
echo "processes of the job are still there" >&2
exit 75
`
