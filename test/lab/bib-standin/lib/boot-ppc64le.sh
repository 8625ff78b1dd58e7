# GRUB for Open Firmware, which reads the boot loader as one ELF file from the start of a PReP partition.

boot_stage=grub2.inst

boot_partitions() {
  partition_types=(9E1A2D38-C612-4316-AA26-8B49521E5A8B)
  partition_sizes=($((4 * alignment)))
}

install_boot() {
  grub_image powerpc-ieee1275 "$work/core.elf"
  write_at "${partition_starts[0]}" "$work/core.elf"
}
