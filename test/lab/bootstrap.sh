#!/bin/sh
# Installs what is missing for the quickstart and the tests: npm packages, then Debian packages. Says what it does;
# where it may not install (not Debian, not root), it names what is missing and stops.
set -eu
cd "$(dirname "$0")/../.."

lock_stamp=node_modules/.package-lock.json
if [ ! -f "$lock_stamp" ] || [ package-lock.json -nt "$lock_stamp" ] || [ ! -x node_modules/.bin/node ]; then
  echo "bootstrap: installing the npm packages of package-lock.json"
  npm ci --no-fund --no-audit --loglevel=error
  touch "$lock_stamp"
fi

packages='
qemu-system-x86 qemu-system-arm qemu-system-ppc qemu-system-misc qemu-utils seabios ovmf qemu-efi-aarch64 ipxe-qemu
libvirt-daemon libvirt-daemon-system libvirt-clients
openssh-client openssh-server rsync zstd xz-utils xorriso
mmdebstrap debian-archive-keyring kmod cpio systemd dosfstools mtools fdisk gdisk e2fsprogs
docker-registry skopeo strace
'
# What the tests, or one benchmark, want besides.
packages="$packages ${FACTORY_PACKAGES:-}"

missing=''
if command -v dpkg-query >/dev/null 2>&1; then
  for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
  done
else
  missing=$packages
fi
missing=$(echo $missing)
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "bootstrap: these Debian packages (or what your system calls them) are missing:" >&2
  echo "  $missing" >&2
  echo "  On Debian, as root: apt-get install --no-install-recommends $missing" >&2
  exit 1
fi

echo "bootstrap: installing Debian packages: $missing"
log=$(mktemp)
# A service that cannot start without systemd must not fail the installation: the lab starts its own daemons.
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "bootstrap: the installation failed; the whole log is in $log" >&2
  exit 1
fi
rm -f "$log"
