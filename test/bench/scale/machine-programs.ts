/*
 * What a scripted machine has in place of podman, and around the commands that it is given. Everything takes its figures
 * from the environment, which sshd hands to each command: ARCH and OCI (both names of the architecture), BUSY (where the
 * machine notes what it spent), CONTAINER_SECONDS and DISK_SECONDS. Waiting costs no process: 400 machines share two cores.
 */

/** Sourced by the shell of each command: notes from when to when it ran, but for those that only wait for a job's log. */
export const command = String.raw`
begun=$EPOCHREALTIME
code=0
eval "$SSH_ORIGINAL_COMMAND" || code=$?
case $SSH_ORIGINAL_COMMAND in
  *' -f -s 0.2 --pid='*) ;;
  *) echo "$begun $EPOCHREALTIME" >>"$BUSY" ;;
esac
exit "$code"
`

/** The first stage of the Containerfile and what follows, as bursts of lines; a disk builder's log likewise. */
export const podman = String.raw`#!/bin/bash
set -euo pipefail
begun=$EPOCHREALTIME
note() { echo "$begun $EPOCHREALTIME" >>"$BUSY"; }
# Arguments: seconds, bursts, a printf format for the 20 lines of each, which get their number.
write() {
  local burst line nothing pause=$(($1 * 1000 / $2))
  exec {nothing}<> <(:)
  printf -v pause '%d.%03d' $((pause / 1000)) $((pause % 1000))
  for ((burst = 0; burst < $2; burst++)); do
    for ((line = 1; line <= 20; line++)); do printf "$3" $((burst * 20 + line)); done
    read -r -t "$pause" -u "$nothing" || true
  done
}
storage=/var/lib/containers
case $1 in
  version) echo 5.4.2 ;;
  tag) ;;
  image)
    [ "$2" != exists ] || exit 1
    echo "[{\"Id\":\"$(printf '%064d' 7)\",\"Architecture\":\"$OCI\",\"Size\":734003200,\"Labels\":{\"containers.bootc\":\"1\"}}]"
    ;;
  pull)
    printf 'Copying blob sha256:%064d\n' 1 2 3 4 5
    note
    ;;
  build)
    if [[ " $* " = *' --layers=false '* ]]; then
      for last; do :; done
      cp "$last/release" "$storage/identity"
      echo 'COMMIT'
    else
      echo 'STEP 1/3: FROM base'
      write "$CONTAINER_SECONDS" 15 'Installing       : package-of-some-length-%d-1.fc43.noarch            installed\n'
      echo 'STEP 3/3: COPY motd /etc/motd'
    fi
    note
    ;;
  run)
    output=/var/lib/factory/output
    echo '{"version":"2","pipelines":[{"name":"image","stages":[{},{},{}]}]}' >"$output/manifest-raw.json"
    echo 'Building manifest-raw.json'
    write "$DISK_SECONDS" 10 'osbuild line %d of a stage that says what it does with some file system\n'
    mkdir -p "$output/image"
    disk=$output/image/disk.raw
    truncate -s 32M "$disk"
    head -c 509 "$storage/identity" | dd of="$disk" conv=notrunc status=none
    printf '\125\252' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
    for piece in 1 9 17 25; do
      dd if=/dev/urandom of="$disk" bs=512K count=1 seek=$((piece * 2)) conv=notrunc status=none
    done
    note
    ;;
  *) echo "podman $1 is not scripted" >&2; exit 1 ;;
esac
`

/** Answers as a machine of the architecture would. */
export const uname = String.raw`#!/bin/sh
[ "$*" = -m ] && { echo "$ARCH"; exit; }
exec /usr/bin/uname "$@"
`

/**
 * The first process of a machine, in a mount and PID namespace of its own: with it all others end and all mounts go.
 * Arguments: the machine's directory, the directory of what a booted image shows of itself, or nothing.
 */
export const init = String.raw`
set -eu
for place in /var/lib /var/tmp /run; do mount -t tmpfs -o mode=0755 tmpfs "$place"; done
mkdir -p /var/lib/factory /var/lib/containers /run/sshd
[ -z "$2" ] || mount -t overlay -o "lowerdir=$2:/usr/lib" overlay /usr/lib
/usr/sbin/sshd -D -e -f "$1/sshd_config" &
wait
`
