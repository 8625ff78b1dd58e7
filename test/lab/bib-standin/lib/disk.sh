# The disk: GPT, the boot loader's partitions, one ext4 with everything. Every architecture fills in `boot_partitions`,
# `kernel_arguments` (fall back) and `install_boot`; see boot-*.sh.

sector=512
alignment=2048

# Stages of the pipelines `build` and `image`; $work/disk.raw is the result.
make_disk() {
  raw=$work/disk.raw
  root_uuid=$(cat /proc/sys/kernel/random/uuid)
  mkdir "$work/top"
  mount_image "$work/image"
  kernel=$(cd "$work/image" && echo usr/lib/modules/*/vmlinuz)
  initramfs=${kernel%/*}/initramfs.img
  [[ -e $work/image/$kernel && -e $work/image/$initramfs ]] || { echo 'no kernel with an initramfs.img beside it in /usr/lib/modules' >&2; osbuild_failed; }
  arguments="root=UUID=$root_uuid rw $(image_arguments) $kernel_append"
  plan_partitions
  umount "$work/image"

  pipeline image
  stage truncate "{\"filename\": \"disk.raw\", \"size\": \"$disk_bytes\"}" truncate -s "$disk_bytes" "$raw"
  stage sfdisk "{\"label\": \"gpt\", \"partitions\": ${#partition_types[@]}}" partition
  stage grub2.config "{\"root\": \"$root_uuid\"}" write_boot_files
  stage mkfs.ext4 "{\"uuid\": \"$root_uuid\", \"label\": \"root\"}" make_root
  stage "$boot_stage" '{"filename": "disk.raw"}' install_boot
}

# Sizes in sectors. The root partition is the last one and ends one alignment before the end, where GPT has its copy.
plan_partitions() {
  local content needed size start=$alignment
  content=$(du -s -x -B1 "$work/image" | cut -f1)
  needed=$((content * 5 / 4 + (64 << 20)))
  [[ -n $root_bytes ]] || root_bytes=$((content * 2 > 1 << 30 ? content * 2 : 1 << 30))
  ((root_bytes >= needed)) || root_bytes=$needed
  partition_starts=() partition_sizes=() partition_types=()
  boot_partitions
  for size in "${partition_sizes[@]}"; do
    partition_starts+=("$start")
    start=$((start + size))
  done
  root_start=$start
  root_sectors=$(((root_bytes + (1 << 20) - 1) / (1 << 20) * alignment))
  disk_bytes=$(((root_start + root_sectors + alignment) * sector))
}

partition() {
  local i
  {
    echo 'label: gpt'
    for i in "${!partition_types[@]}"; do
      echo "start=${partition_starts[i]}, size=${partition_sizes[i]}, type=${partition_types[i]}"
    done
    echo "start=$root_start, size=$root_sectors, type=linux"
  } | sfdisk --quiet "$raw"
}

# The directory that is laid over the image's file system when the root file system is made.
write_boot_files() {
  [[ $boot_stage = zipl.inst ]] || {
    mkdir -p "$work/top/boot/grub"
    grub_configuration >"$work/top/boot/grub/grub.cfg"
  }
}

make_root() {
  mount_image "$work/target" "$work/top"
  # GRUB does not know the checksum seed, and what else is off saves nothing but time.
  mke2fs -q -t ext4 -F -L root -U "$root_uuid" -O ^metadata_csum_seed,^orphan_file -m 1 \
    -E "offset=$((root_start * sector)),nodiscard,lazy_itable_init=1,lazy_journal_init=1" \
    -d "$work/target" "$raw" "$((root_sectors / 2))k"
  umount "$work/target"
}

# What the image asks for in bootc's kargs.d, for this architecture.
image_arguments() {
  local name files
  name=$(uname -m)
  name=${name/ppc64le/powerpc64}
  files=$(find "$work/image/usr/lib/bootc/kargs.d" -name '*.toml' 2>/dev/null | sort)
  [[ -z $files ]] || awk -v name="$name" '
    function take() { if (kargs != "" && (only == "" || index(only, "\"" name "\""))) printf "%s ", kargs }
    FNR == 1 { take(); kargs = ""; only = "" }
    /^kargs/ { kargs = $0; sub(/^[^[]*\[/, "", kargs); sub(/\].*$/, "", kargs); gsub(/"|,/, "", kargs) }
    /^match-architectures/ { only = $0 }
    END { take() }' $files
}
