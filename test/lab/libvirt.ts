import { existsSync } from 'node:fs'
import { chmod, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { FactoryError } from '#src/errors.ts'
import type { Report } from './cache.ts'

/** The libvirt of the lab: this machine's own system daemon. */
export const labUri = 'qemu:///system'

const callDeadlineMs = 120_000
/** The first start looks at every QEMU that is installed; beside other work on two cores that took more than 30 s. */
const startDeadlineMs = 180_000

/** One call of virsh; throws with what virsh said. */
export async function virsh(words: readonly string[]): Promise<{ stdout: string }> {
  return execa('virsh', ['-q', '-c', labUri, ...words], { timeout: callDeadlineMs })
}

/** Starts libvirt's daemons unless one answers; with systemd through its units, else by themselves. They stay. */
export async function ensureLibvirt(report: Report): Promise<void> {
  await shareKvm(report)
  if (await answers()) return
  report('libvirt: starting its daemons')
  if (existsSync('/run/systemd/system')) {
    await execa('systemctl', ['start', 'virtlogd.socket', 'libvirtd.service'], { timeout: callDeadlineMs })
  } else {
    for (const daemon of ['virtlogd', 'libvirtd']) {
      // Where two programs start it at once the second one fails, and that is well: the question is whether one answers.
      await execa(daemon, ['-d'], { timeout: callDeadlineMs, stdio: 'ignore', reject: false })
    }
  }
  const deadline = Date.now() + startDeadlineMs
  while (!(await answers())) {
    if (Date.now() > deadline) {
      throw new FactoryError({
        code: 'lab-libvirt-not-running',
        class: 'infra',
        message: `libvirt on this machine does not answer at ${labUri} ${startDeadlineMs / 1000} s after its start.`,
        hint: `Look at what it says: libvirtd -v, then virsh -c ${labUri} version`,
      })
    }
    await sleep(200)
  }
}

/**
 * Gives /dev/kvm the group and mode that udev gives it, where no udev runs. A device that QEMU's user cannot open makes
 * libvirt look at every QEMU anew on each call: measured 8 to 60 s instead of 0.02 s.
 */
async function shareKvm(report: Report): Promise<void> {
  if (existsSync('/run/udev/control') || !existsSync('/dev/kvm')) return
  if (((await stat('/dev/kvm')).mode & 0o060) === 0o060) return
  report('libvirt: giving /dev/kvm to the group kvm, as udev would')
  await execa('chgrp', ['kvm', '/dev/kvm'])
  await chmod('/dev/kvm', 0o660)
}

async function answers(): Promise<boolean> {
  const { failed } = await execa('virsh', ['-q', '-c', labUri, 'version'], { reject: false, timeout: 10_000 })
  return !failed
}
