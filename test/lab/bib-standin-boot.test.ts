import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { beforeAll, expect, test } from 'vitest'
import { ensureLab } from './lab.ts'
import { baseLayers } from './oci-base.ts'
import { layerOf, standinHost } from './oci-standin-host.ts'

const bootsWithinMs = 90_000
const firmware = '/usr/share/OVMF/OVMF_CODE_4M.fd'
const firmwareState = '/usr/share/OVMF/OVMF_VARS_4M.fd'

beforeAll(async () => {
  await ensureLab((line) => process.stderr.write(`${line}\n`))
})

test.skipIf(process.arch !== 'x64')(
  '(on x86_64 machines only) makes a disk of the base image that boots by itself under BIOS and UEFI and says which image it is',
  async () => {
    await using host = await standinHost('x86_64', () => {})
    const { system, kernel } = await baseLayers('x86_64', () => {})
    const identity = await layerOf(host.directory, { '/usr/lib/image-factory/release': 'conformance-1\n' })
    await host.addImage('localhost/base:one', { layers: [system, kernel, identity] })
    const config = '[customizations.kernel]\nappend = "panic=-1"\n'
    const { exitCode, output } = await host.run(['--type', 'raw', 'localhost/base:one'], {
      files: { '/config.toml': config },
    })
    expect(exitCode).toBe(0)
    const disk = join(output, 'image/disk.raw')

    const state = join(host.directory, 'firmware-state')
    await copyFile(firmwareState, state)
    const uefi = ['-drive', `if=pflash,format=raw,readonly=on,file=${firmware}`]
    const [bios, efi] = await Promise.all([
      consoleUntil(disk, [], /factory image: (.*)$/),
      consoleUntil(disk, [...uefi, '-drive', `if=pflash,format=raw,file=${state}`], /factory image: (.*)$/),
    ])
    expect([bios, efi]).toEqual(['conformance-1', 'conformance-1'])
  },
)

/** Starts the disk under emulation and returns what the pattern's group matches in a line of its console. */
async function consoleUntil(disk: string, firmwareArguments: string[], pattern: RegExp): Promise<string> {
  const machine = ['-M', 'q35', '-accel', 'tcg', '-cpu', 'qemu64,-cx16', '-m', '1024', '-smp', '2']
  const devices = [
    '-drive',
    `file=${disk},format=raw,if=virtio,snapshot=on`,
    '-nic',
    'none',
    '-no-reboot',
    '-nographic',
  ]
  const qemu = execa('qemu-system-x86_64', [...machine, ...firmwareArguments, ...devices], {
    reject: false,
    buffer: false,
    stdin: 'ignore',
    timeout: bootsWithinMs,
  })
  const said: string[] = []
  try {
    for await (const line of createInterface({ input: qemu.stdout })) {
      const plain = line.replaceAll('\r', '')
      said.push(plain)
      const match = pattern.exec(plain)
      if (match) return match[1] ?? ''
    }
  } finally {
    qemu.kill('SIGKILL')
    await qemu
  }
  throw new Error(`the machine did not say ${pattern}; its last lines:\n${said.slice(-20).join('\n')}`)
}
