# GRUB twice: for BIOS in the master boot record and a partition of its own, for UEFI on an EFI system partition.

boot_stage=grub2.inst

boot_partitions() {
  partition_types=(21686148-6449-6E6F-744E-656564454649 uefi)
  partition_sizes=($alignment $((64 * alignment)))
}

install_boot() {
  install_bios
  grub_image x86_64-efi "$work/bootx64.efi" fat serial terminal
  make_efi_partition 1 "$work/bootx64.efi" BOOTX64.EFI
}

# What grub-install does on a BIOS machine, without needing the disk as a device: the boot record learns the sector of the
# core image, and the core image's first sector where its rest is.
install_bios() {
  local first=${partition_starts[0]} sectors
  grub_image i386-pc "$work/core.img" biosdisk serial terminal
  cp /usr/lib/grub/i386-pc/boot.img "$work/boot.img"
  sectors=$((($(stat -c %s "$work/core.img") + sector - 1) / sector))
  patch "$work/boot.img" $((0x5c)) "$first" 8
  # On a hard disk the drive number that the BIOS passes is right: no check of it.
  patch "$work/boot.img" $((0x66)) $((0x9090)) 2
  patch "$work/core.img" $((0x1f4)) $((first + 1)) 8
  patch "$work/core.img" $((0x1fc)) $((sectors - 1)) 2
  write_at "$first" "$work/core.img"
  # The partition table lies in the rest of the sector.
  dd if="$work/boot.img" of="$raw" bs=440 count=1 conv=notrunc status=none
}

# patch FILE OFFSET NUMBER BYTES: little-endian, in place.
patch() {
  local number=$3 text= i
  for ((i = 0; i < $4; i++)); do
    text+=$(printf '\\x%02x' $((number & 255)))
    number=$((number >> 8))
  done
  printf "$text" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
