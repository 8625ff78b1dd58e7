import type { ArchitectureName } from '#arch/index.ts'

/** A guest so small that only the accelerator can keep it from getting anywhere. */
export interface ProbeGuest {
  /** What the console shows when it got there. */
  marker: RegExp
  /** A disk to boot from; without one the firmware itself is the guest. */
  disk?: () => Uint8Array
}

/**
 * Firmware alone is no proof on x86_64: there are hosts whose KVM runs SeaBIOS and then takes forever over 64-bit
 * code, because it interprets every instruction. So that guest switches to long mode and counts to a hundred million
 * there before it speaks: 50 ms with an accelerator that deserves the name, minutes without.
 */
export const probeGuests: Readonly<Record<ArchitectureName, ProbeGuest>> = {
  x86_64: { marker: /factory: long mode works/, disk: bootSector },
  aarch64: { marker: /UEFI|BdsDxe|EFI/ },
  ppc64le: { marker: /SLOF/ },
  s390x: { marker: /IPL|boot/i },
}

const loadedAt = 0x7c00
const diskBytes = 1024 ** 2

/** A boot sector, assembled by hand: the mnemonics stand beside the bytes. */
function bootSector(): Uint8Array {
  const message = [...new TextEncoder().encode('factory: long mode works\r\n'), 0]
  const code = [
    [0xfa], // cli
    [0x31, 0xc0], // xor ax, ax
    [0x8e, 0xd8], // mov ds, ax
    [0x8e, 0xc0], // mov es, ax
    [0x8e, 0xd0], // mov ss, ax
    [0xbc, ...word(loadedAt)], // mov sp, 0x7c00
    [0x66, 0xbf, ...long(0x1000)], // mov edi, 0x1000 (page tables at 0x1000, 0x2000, 0x3000)
    [0x0f, 0x22, 0xdf], // mov cr3, edi
    [0x66, 0x31, 0xc0], // xor eax, eax
    [0x66, 0xb9, ...long(0xc00)], // mov ecx, 0xc00
    [0x66, 0xf3, 0xab], // rep stosd
    [0x66, 0xc7, 0x06, ...word(0x1000), ...long(0x2003)], // mov dword [0x1000], 0x2003
    [0x66, 0xc7, 0x06, ...word(0x2000), ...long(0x3003)], // mov dword [0x2000], 0x3003
    [0x66, 0xc7, 0x06, ...word(0x3000), ...long(0x83)], // mov dword [0x3000], 0x83 (the first 2 MiB as one page)
    [0x66, 0xb8, ...long(0xa0)], // mov eax, 0xa0 (PAE, PGE)
    [0x0f, 0x22, 0xe0], // mov cr4, eax
    [0x66, 0xb9, ...long(0xc0000080)], // mov ecx, 0xc0000080 (EFER)
    [0x0f, 0x32], // rdmsr
    [0x66, 0x0d, ...long(0x100)], // or eax, 0x100 (long mode enable)
    [0x0f, 0x30], // wrmsr
    [0x0f, 0x20, 0xc0], // mov eax, cr0
    [0x66, 0x0d, ...long(0x80000001)], // or eax, 0x80000001 (paging, protection)
    [0x0f, 0x22, 0xc0], // mov cr0, eax
    [0x0f, 0x01, 0x16, ...word(loadedAt + 0x99)], // lgdt [0x7c99]
    [0xea, ...word(loadedAt + 0x6b), ...word(8)], // jmp 8:0x7c6b (64-bit code from here, offset 0x6b)
    [0xb9, ...long(100_000_000)], // mov ecx, 100000000
    [0xff, 0xc9], // dec ecx
    [0x75, 0xfc], // jnz to the dec
    [0xbe, ...long(loadedAt + 0x9f)], // mov esi, message
    [0xba, ...long(0x3f8)], // mov edx, 0x3f8 (the first serial port)
    [0xac], // lodsb
    [0x84, 0xc0], // test al, al
    [0x74, 0x03], // jz over the next two
    [0xee], // out dx, al
    [0xeb, 0xf8], // jmp to the lodsb
    [0xf4], // hlt
    [0xeb, 0xfd], // jmp to the hlt
    [...long(0), ...long(0)], // descriptor table (offset 0x89): null,
    [...long(0), ...long(0x00209a00)], // 64-bit code
    [...word(15), ...long(loadedAt + 0x89)], // its limit and address (offset 0x99)
    message, // (offset 0x9f)
  ].flat()
  const disk = new Uint8Array(diskBytes)
  disk.set(code)
  disk.set([0x55, 0xaa], 510)
  return disk
}

function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff]
}

function long(value: number): number[] {
  return [...word(value & 0xffff), ...word((value >>> 16) & 0xffff)]
}
