import { readFileSync } from 'node:fs'

/*
 * What runs on the builder for a transfer, as bash programs that take everything by argument. Only tools that every
 * builder has: bash, coreutils, GNU tar, zstd. Where they are there, openssl, because its sha256 is two to four times as
 * fast as the one of coreutils, and python3, because GNU tar takes several times as long to read the extents.
 */

/** To be given to `sendPackedScript` as its third argument. */
export const sendExtentsProgram = readFileSync(new URL('./send-extents.py', import.meta.url), 'utf8')

/**
 * Argument: file. Prints its size, its allocated bytes, and of 8 samples of 512 KiB the size before and after `zstd -1`
 * (of a file that is mostly holes nothing is sampled).
 */
export const probeScript = String.raw`
set -euo pipefail
if [ ! -f "$1" ] || [ -L "$1" ]; then echo "there is no such file" >&2; exit 66; fi
size=$(stat -c %s -- "$1")
allocated=$(($(stat -c %b -- "$1") * $(stat -c %B -- "$1")))
blocks=$((size / 524288))
sampled=0
packed=0
if [ "$allocated" -ge $((size - size / 32)) ] && [ "$blocks" -ge 8 ]; then
  sampled=$((8 * 524288))
  packed=$(for i in 0 1 2 3 4 5 6 7; do
    dd if="$1" bs=524288 count=1 skip=$((i * blocks / 8)) status=none
  done | zstd -q -1 -c | wc -c)
fi
echo "$size $allocated $sampled $packed"
`

/**
 * Prints the processor's seconds, user and system, that 6 MiB take with ChaCha20 and then with AES, a program's start
 * included; or nothing where it need not be tried: on x86-64 with instructions for AES, and without openssl. Work of a
 * fixed size, for a machine that is quick need not wait; seconds of the processor, for others may use it as well.
 * ChaCha20 comes first and pays for what the first start has to read.
 */
export const cipherScript = String.raw`
grep -q '^flags.* aes ' /proc/cpuinfo && exit 0
command -v openssl >/dev/null || exit 0
set -o pipefail
LC_ALL=C
TIMEFORMAT='%3U %3S'
zeros=00000000000000000000000000000000
for cipher in "chacha20 $zeros$zeros" "aes-128-ctr $zeros"; do
  set -- $cipher
  { time head -c 6291456 /dev/zero | openssl enc "-$1" -K "$2" -iv "$zeros" >/dev/null 2>&1; } 2>&1 || exit 0
done
`

/**
 * Begins at level -8 and goes up to 1 while the network is what it waits for, and down to -16 while the processor is: of
 * 2 GiB of a root file system level 1 makes 39 %, level -1 43 %, level -8 53 %. The window is the one of level 1; --adapt
 * alone takes 8 MiB, and four times as much for every processor.
 */
const pack = 'zstd -q --fast=8 --adapt=min=-16,max=1 --zstd=wlog=19 -T0 --check -c'

/**
 * Arguments: directory, file name, `sendExtentsProgram`. Writes the file's extents of content as a compressed tar stream,
 * with zstd's checksum of what it packed: holes need not be hashed on the builder at all, which may be an emulated one.
 */
export const sendPackedScript = String.raw`
set -euo pipefail
if command -v python3 >/dev/null; then exec python3 -c "$3" "$1" "$2" ${pack}; fi
tar --create --format=pax --sparse --blocking-factor=128 --numeric-owner --directory="$1" --file=- -- "$2" | ${pack}
`

/**
 * Argument: file. Writes it as it is, for content that does not get smaller; reading it a second time for the digest
 * costs less than a pipe that carries it twice.
 */
export const sendPlainScript = String.raw`
set -euo pipefail
digest() { if command -v openssl >/dev/null; then openssl dgst -sha256 -r; else sha256sum; fi | cut -d ' ' -f 1; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
digest <"$1" >"$work/digest" &
cat -- "$1"
wait $!
echo "factory-digest $(cat "$work/digest")" >&2
`
