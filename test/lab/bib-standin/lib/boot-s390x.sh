# zipl, which writes the list of the kernel's blocks into the boot record: it needs the file system mounted.

boot_stage=zipl.inst

boot_partitions() {
  partition_types=()
  partition_sizes=()
}

install_boot() {
  local disk root
  # Loop devices that come to be while a container runs are missing in its own /dev.
  mount -t devtmpfs devtmpfs /dev
  disk=$(losetup --find --show "$raw")
  loops=$disk
  trap leave_image EXIT
  root=$(losetup --find --show --offset $((root_start * sector)) --sizelimit $((root_sectors * sector)) "$raw")
  loops="$root $disk"
  mkdir -p "$work/root"
  mount "$root" "$work/root"
  mkdir -p "$work/root/boot"
  # mke2fs left holes where the files have zeros, and the machine's loader takes a hole for the end: write them out.
  cat "$work/root/$kernel" >"$work/root/boot/vmlinuz"
  cat "$work/root/$initramfs" >"$work/root/boot/initramfs.img"
  printf '%s\n' "$arguments" >"$work/root/boot/parameters"
  sync -f "$work/root"
  zipl --target "$work/root/boot" --image "$work/root/boot/vmlinuz" --ramdisk "$work/root/boot/initramfs.img" \
    --parmfile "$work/root/boot/parameters" \
    --targetbase "$disk" --targettype SCSI --targetblocksize 512 --targetoffset "$root_start"
  umount "$work/root"
}
