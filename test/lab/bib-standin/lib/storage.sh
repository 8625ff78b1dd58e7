# The image is read where podman keeps it: its layers' directories are mounted over one another, nothing is copied.

storage=/var/lib/containers/storage
image_id= image_layer= image_arch= image_bootc=

find_image() {
  local found config
  found=$(jq -r --arg reference "$(with_tag "$reference")" '
    [.[] | select((.names // []) | any(. == $reference or . == "localhost/" + $reference))][0] // empty | "\(.id) \(.layer)"
  ' "$storage/overlay-images/images.json" 2>/dev/null) || true
  [[ -n $found ]] || fail "failed to inspect the image: $reference: image not known
bootc-image-builder no longer pulls images, make sure to pull it before running bootc-image-builder:
    sudo podman pull $reference"
  read -r image_id image_layer <<<"$found"
  # Container storage names a blob whose key is no plain word by the key's base64.
  config=$storage/overlay-images/$image_id/=$(printf 'sha256:%s' "$image_id" | base64 -w 0)
  image_bootc=$(jq -r '.config.Labels["containers.bootc"] // ""' "$config")
  image_arch=$(jq -r '{amd64: "x86_64", arm64: "aarch64"}[.architecture] // .architecture' "$config")
}

with_tag() {
  if [[ ${1##*/} = *[:@]* ]]; then echo "$1"; else echo "$1:latest"; fi
}

# mount_image DIRECTORY [TOP]: the image's file system, read-only, with the directory TOP laid over it.
mount_image() {
  local link lower directories
  link=$(<"$storage/overlay/$image_layer/link")
  lower=$(cat "$storage/overlay/$image_layer/lower" 2>/dev/null || true)
  directories=${2:+$2:}l/$link${lower:+:$lower}
  # Overlay takes no single directory, and one layer with nothing over it is one.
  [[ $directories = *:* ]] || directories=$directories:$(mktemp -d "$work/empty.XXXXXX")
  mkdir -p "$1"
  (cd "$storage/overlay" && mount -t overlay -o "ro,lowerdir=$directories" overlay "$1")
}

leave_image() {
  local mounted
  for mounted in "${work:-/nowhere}"/{target,image,root}; do
    ! mountpoint -q "$mounted" || umount "$mounted"
  done
  [[ -z ${loops:-} ]] || losetup -d $loops || true
}

default_rootfs() {
  local files
  work=$(mktemp -d)
  mount_image "$work/image" >&2
  files=$(find "$work/image/usr/lib/bootc/install" -name '*.toml' 2>/dev/null | sort)
  [[ -z $files ]] || awk -F ' *= *' '
    /^\[/ { table = $0 }
    table == "[install.filesystem.root]" && $1 == "type" || table == "[install.filesystem]" && $1 == "root.type" { gsub(/"/, "", $2); type = $2 }
    END { if (type != "") print type }' $files
  leave_image
  rm -r "$work"
}
