# Failures on request: the file /usr/lib/lab/fault in the image being built names one, so a Containerfile can ask for it.
# README.md lists them.

fault= fault_seconds=0

read_fault() {
  local file=$work/image/usr/lib/lab/fault
  mount_image "$work/image"
  [[ ! -f $file ]] || read -r fault fault_seconds <"$file" || true
  umount "$work/image"
  fault_seconds=${fault_seconds:-0}
}

inject_fault() {
  case $fault:$1 in
  delay:*) sleep "$fault_seconds" ;;
  hang:mkfs.ext4) sleep infinity ;;
  loop-flake-once:sfdisk) flake_once ;;
  prep-missing:mkfs.ext4)
    echo 'Failed to find PReP partition with GUID 9E1A2D38-C612-4316-AA26-8B49521E5A8B'
    exit 1
    ;;
  esac
}

# The memory lies in the container storage, because a caller that tries again may do so with another output directory.
flake_once() {
  local memory=$storage/.lab-loop-flake-$image_id
  [[ ! -e $memory ]] || return 0
  touch "$memory"
  echo "losetup: $output/disk.raw: failed to set up loop device: Device or resource busy"
  exit 1
}

# Called when everything is made, before anything is at its place.
inject_export_fault() {
  local type=${types[0]} path
  path=$output/$(path_of "$type")
  case $fault in
  enospc)
    echo "cp: error writing '$path': No space left on device" >&2
    osbuild_failed
    ;;
  partial)
    mkdir -p "${path%/*}"
    head -c $(($(stat -c %s "$work/$(path_of "$type")") / 2)) "$work/$(path_of "$type")" >"$path"
    osbuild_failed
    ;;
  missing-output) rm "$work/$(path_of "${types[-1]}")" ;;
  stale-output)
    mkdir -p "$output/vmdk"
    echo 'left behind by an earlier run' >"$output/vmdk/disk.vmdk"
    ;;
  esac
}
