import { readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import type { BuilderAccess } from '#clouds/types.ts'

export interface SeedRequest {
  access: BuilderAccess
  /** Who logs in; anybody but root gets sudo without a password. */
  user: string
  /** Milliseconds from boot after which an unprolonged machine powers itself off. */
  leaseMs: number
  /** Changes with every machine, so that nothing is taken from an earlier boot of the same disk. */
  instanceId: string
}

export interface NoCloudSeed {
  userData: string
  metaData: string
  networkConfig?: string
}

/** On the machine: the second of its boot clock (as in /proc/uptime) at which it powers itself off; a heartbeat writes a later one. */
export const leaseUntilFile = '/run/factory/lease-until'

const checkEverySeconds = 15
const script = '/etc/factory/end-of-lease'
const unit = 'factory-end-of-lease'

/**
 * The NoCloud seed that makes a cloud image ours before its first boot: host key, login key, dead-man timer.
 * It holds the private host key, so it belongs in 0600 files only.
 */
export async function noCloudSeed(request: SeedRequest): Promise<NoCloudSeed> {
  const { access, user, leaseMs, instanceId } = request
  const hostPrivateKey = await readFile(access.hostPrivateKeyFile, 'utf8')
  const userData = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostPrivateKey, ed25519_public: access.hostPublicKey },
    ssh_pwauth: false,
    preserve_hostname: true,
    disable_root: false,
    ...login(user, access.authorizedKey),
    write_files: endOfLeaseFiles(Math.round(leaseMs / 1000)),
    // To enable a unit makes systemd read all units anew, so that it knows these when it starts one.
    runcmd: [['systemctl', 'enable', '--now', `${unit}.timer`]],
  }
  return {
    userData: `#cloud-config\n${stringify(userData, { lineWidth: 0 })}`,
    metaData: stringify({ 'instance-id': instanceId }),
  }
}

/** Root gets the top-level key: an entry for root under `users` would lock its password, which some sshd take as "no login". */
function login(user: string, authorizedKey: string) {
  if (user === 'root') return { users: [], ssh_authorized_keys: [authorizedKey] }
  const sudo = 'ALL=(ALL) NOPASSWD:ALL'
  return { users: [{ name: user, shell: '/bin/bash', sudo, ssh_authorized_keys: [authorizedKey] }] }
}

/**
 * A timer on the boot clock, which no change of the wall clock moves. A machine that is restarted counts anew.
 * The files lie under /etc because /usr of a bootc image cannot be written.
 */
function endOfLeaseFiles(leaseSeconds: number) {
  const check = `#!/bin/sh
until=$(cat ${leaseUntilFile} 2>/dev/null)
case "$until" in '' | *[!0-9]*) until=${leaseSeconds} ;; esac
read -r uptime _ < /proc/uptime
now=\${uptime%.*}
[ "$now" -lt "$until" ] && exit 0
echo "The lease of this machine ended at second $until of its boot clock; powering off." > /dev/console
[ "$now" -lt $((until + 60)) ] && exec systemctl poweroff --no-block
exec systemctl poweroff --force --force
`
  const service = `[Unit]
Description=Power off when the lease of this machine has ended

[Service]
Type=oneshot
ExecStart=/bin/sh ${script}
`
  const timer = `[Unit]
Description=Look every ${checkEverySeconds} seconds whether the lease of this machine has ended

[Timer]
OnBootSec=${checkEverySeconds}
OnUnitActiveSec=${checkEverySeconds}
AccuracySec=1

[Install]
WantedBy=timers.target
`
  return [
    { path: script, permissions: '0755', content: check },
    { path: `/etc/systemd/system/${unit}.service`, permissions: '0644', content: service },
    { path: `/etc/systemd/system/${unit}.timer`, permissions: '0644', content: timer },
  ]
}
