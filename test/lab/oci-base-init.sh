#!/bin/busybox sh
# The initramfs of the lab's base image: mounts what root= on the kernel command line names and hands over to it.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
exec </dev/console >/dev/console 2>&1

while read -r module; do insmod "/modules/$module"; done </modules/order

root=
for word in $(cat /proc/cmdline); do
  case $word in
  root=*) root=${word#root=} ;;
  esac
done

tries=0
while :; do
  case $root in
  UUID=* | LABEL=*) device=$(findfs "$root") && break ;;
  *) device=$root && [ -b "$device" ] && break ;;
  esac
  tries=$((tries + 1))
  if [ "$tries" -ge 100 ]; then
    echo "initramfs: nothing here is the root file system $root"
    poweroff -f
  fi
  sleep 0.1
done

mount "$device" /root || poweroff -f
for folder in dev proc sys; do mount -o move "/$folder" "/root/$folder"; done
exec switch_root /root /usr/lib/systemd/systemd
