import { join } from 'node:path'

/** The files of the stand-in for cloud-init, which images of the lab have, and most builders. */
export const cloudSeedFiles = join(import.meta.dirname, 'cloud-seed')

/** Path in a tree → target of the links that start it at boot. */
export const cloudSeedLinks: Record<string, string> = Object.fromEntries(
  ['cloud-seed', 'cloud-seed-commands'].map((unit) => [
    `etc/systemd/system/multi-user.target.wants/${unit}.service`,
    `/etc/systemd/system/${unit}.service`,
  ]),
)
