# GRUB for UEFI on an EFI system partition.

boot_stage=grub2.inst

boot_partitions() {
  partition_types=(uefi)
  partition_sizes=($((64 * alignment)))
}

install_boot() {
  grub_image arm64-efi "$work/bootaa64.efi" fat
  make_efi_partition 0 "$work/bootaa64.efi" BOOTAA64.EFI
}
