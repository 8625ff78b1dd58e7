# Everything that is refused before a disk is touched, in the order in which the real tool refuses it.

known_types='ami anaconda-iso bootc-installer gce iso ova pxe-tar-xz qcow2 raw vhd vmdk'

check_surroundings() {
  local outer count probe
  read -r _ outer count </proc/self/uid_map
  [[ $outer = 0 && $count = 4294967295 ]] ||
    fail 'cannot validate the setup: this command must be run in rootful (not rootless) podman'
  [[ -w /sys ]] || fail 'cannot validate the setup: this command requires a privileged container'
  if ((${#aws[@]})); then
    [[ " ${types[*]} " = *' ami '* ]] ||
      fail "cannot handle AWS setup: aws flags set for non-ami image type (type is set to ${types[*]})"
    fail 'cannot handle AWS setup: this stand-in does not upload'
  fi
  mkdir -p "$output"
  if [[ -n $chown ]]; then
    [[ $chown = *:* ]] || chown=$chown:$(id -g)
    probe=$(mktemp "$output/.chown.XXXXXX") || fail 'chowning is not allowed in output directory'
    chown "$chown" "$probe" 2>/dev/null || { rm "$probe"; fail 'chowning is not allowed in output directory'; }
    rm "$probe"
  fi
  case $progress in
  auto) if [[ -t 0 ]]; then progress=term; else progress=verbose; fi ;;
  verbose | debug | term) ;;
  *) fail "cannot create progressbar: unknown progress type: \"$progress\"" ;;
  esac
}

check_inputs() {
  [[ $local = true ]] || fail "--local=false is no longer supported, remove it and make sure to pull the container before running bib:
	sudo podman pull $reference"
  check_target_arch
  [[ -e $storage/overlay ]] ||
    fail "could not access container storage, did you forget -v $storage:$storage? (cannot find \"$storage/overlay\" (missing -v mount? Run as rootful podman?))"
  check_types
  read_config
  find_image
  check_image
}

check_target_arch() {
  case ${target_arch:=$(uname -m)} in
  amd64) target_arch=x86_64 ;;
  arm64) target_arch=aarch64 ;;
  x86_64 | aarch64 | ppc64le | s390x) ;;
  *) fail "unsupported architecture \"$target_arch\"" ;;
  esac
  [[ $target_arch != "$(uname -m)" ]] || return 0
  [[ " ${types[*]} " != *iso* ]] || fail 'cannot build iso for different target arches yet'
  warn "target-arch is experimental and needs an installed 'qemu-user' package"
}

check_types() {
  local type isos=0
  for type in "${types[@]}"; do
    [[ " $known_types " = *" $type "* && -n $type ]] ||
      fail "cannot detect build types [${types[*]}]: unsupported image type \"$type\", valid types are ${known_types// /, }"
    [[ $type != *iso && $type != bootc-installer ]] || isos=$((isos + 1))
  done
  ((isos == 0 || isos == ${#types[@]})) ||
    fail "cannot detect build types [${types[*]}]: cannot mix ISO/disk images in request [${types[*]}]"
}

check_image() {
  [[ $image_bootc = 1 ]] || fail "image $reference is not a bootc image"
  [[ $image_arch = "$target_arch" ]] ||
    fail "failed to initialize bootc distro: requested bootc arch \"$target_arch\" does not match available arches [$image_arch]"
  : "${rootfs:=$(default_rootfs)}"
  [[ -n $rootfs ]] || fail 'failed to initialize bootc distro: missing required info: DefaultRootFs'
  [[ -z ${settings_disk:-} || -z ${settings_filesystem:-} ]] ||
    fail 'cannot combine disk and filesystem customizations'
  [[ $rootfs = ext4 ]] || fail "this stand-in makes ext4 root file systems only, not \"$rootfs\": use --rootfs ext4"
  [[ $target_arch = "$(uname -m)" ]] || fail "this stand-in only builds natively, not $target_arch on $(uname -m)"
}
