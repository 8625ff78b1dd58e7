# From the one raw disk to what was asked for, and to the places where the real tool puts it.

path_of() {
  case $1 in
  raw | ami) echo image/disk.raw ;;
  qcow2) echo qcow2/disk.qcow2 ;;
  vmdk) echo vmdk/disk.vmdk ;;
  vhd) echo vpc/disk.vhd ;;
  gce) echo gce/image.tar.gz ;;
  *) echo "$1" ;;
  esac
}

pipelines() {
  local type
  stage_total=$((5 + ${#types[@]}))
  printf 'starting -Pipeline source org.osbuild.containers-storage: %s\n' "$image_id" | stage_text
  pipeline build
  make_disk
  for type in "${types[@]}"; do
    [[ ! -e $work/$(path_of "$type") ]] || continue
    mkdir -p "$work/$(dirname "$(path_of "$type")")"
    [[ $type = raw || $type = ami ]] || pipeline "$type"
    case $type in
    raw | ami) ;;
    qcow2) stage qemu '{"type": "qcow2", "compat": "1.1"}' convert_to qcow2 -o compat=1.1 ;;
    vmdk) stage qemu '{"type": "vmdk"}' convert_to vmdk ;;
    vhd) stage qemu '{"type": "vpc"}' convert_to vhd -O vpc ;;
    gce) stage tar '{"format": "oldgnu"}' tar --format=oldgnu -S -C "$work" -czf "$work/$(path_of gce)" disk.raw ;;
    *) echo "this stand-in does not make $type" | stage_text; osbuild_failed ;;
    esac
  done
  if [[ " ${types[*]} " = *' raw '* || " ${types[*]} " = *' ami '* ]]; then
    mv "$raw" "$work/$(path_of raw)"
  fi
}

convert_to() {
  local type=$1
  shift
  qemu-img convert -f raw -O "${type/vhd/vpc}" "$@" "$raw" "$work/$(path_of "$type")"
}

export_results() {
  local type name
  inject_export_fault
  printf 'manifest - finished successfully\n' | stage_text
  for name in build image "${types[@]}"; do
    printf '%-10s\t%s\n' "$name:" "$(digest_of "$name$image_id")" | stage_text
  done
  for type in "${types[@]}"; do
    [[ -e $work/$(path_of "$type") ]] || continue
    mkdir -p "$output/$(dirname "$(path_of "$type")")"
    mv -f "$work/$(path_of "$type")" "$output/$(path_of "$type")"
  done
}

print_manifest() {
  jq -n --arg image "$image_id" --args '{
    version: "2",
    pipelines: ([{name: "build"}, {name: "image", stages: [{type: "org.osbuild.sfdisk"}, {type: "org.osbuild.mkfs.ext4"}]}]
      + [$ARGS.positional[] | select(. != "raw" and . != "ami") | {name: .}]),
    sources: {"org.osbuild.containers-storage": {items: {("sha256:" + $image): {}}}}
  }' "${types[@]}"
}
