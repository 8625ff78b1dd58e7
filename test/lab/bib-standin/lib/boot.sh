# What the boot loaders have in common, and this architecture's own one.

grub_modules='gzio part_gpt ext2 search search_fs_uuid normal configfile linux echo test boot'

grub_configuration() {
  cat <<END
set timeout=0
linux /$kernel $arguments
initrd /$initramfs
boot
END
}

# grub_image FORMAT OUTPUT MODULE…: a GRUB that finds its configuration by the UUID of the root file system.
grub_image() {
  local format=$1 result=$2
  shift 2
  cat >"$work/early.cfg" <<END
search --no-floppy --fs-uuid --set=root $root_uuid
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
END
  grub-mkimage -O "$format" -p /boot/grub -c "$work/early.cfg" -o "$result" $grub_modules "$@"
}

# write_at SECTOR FILE: into the disk, without touching what follows.
write_at() {
  dd if="$2" of="$raw" bs=512 seek="$1" conv=notrunc status=none
}

# make_efi_partition NUMBER FILE NAME: the EFI system partition with one boot loader under its removable-media name.
make_efi_partition() {
  local start=${partition_starts[$1]} size=${partition_sizes[$1]}
  local drive=$raw@@$((start * sector))
  mkfs.fat -F 32 -s 1 -n EFI-SYSTEM --offset "$start" "$raw" $((size / 2)) >/dev/null
  mmd -i "$drive" ::/EFI ::/EFI/BOOT
  mcopy -i "$drive" "$2" "::/EFI/BOOT/$3"
}

. "$lib/boot-$(uname -m).sh"
