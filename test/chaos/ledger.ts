import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Image } from '#clouds/types.ts'

/** A machine that was rented, as the cloud's bill has it. */
export interface BilledMachine {
  lease: string
  cloud: string
  arch: string
  purpose: string
  /** Milliseconds since the epoch. */
  rentedAt: number
  /** When the machine ends itself, unless somebody moves that. */
  endsAt: number
  givenBackAt: number | null
  /** What its container build put into the image, or what the image that it booted says of itself. */
  identity: string
}

export interface Job {
  lease: string
  id: string
  starts: number
  log: string
}

/**
 * What the world outside of the orchestrator remembers: the scripted cloud's machines and images with their bill, and
 * the jobs on its machines. It lies in a file of its own, so a killed orchestrator finds it as it left it.
 */
export interface Ledger extends Disposable {
  machines(): BilledMachine[]
  rent(machine: Omit<BilledMachine, 'givenBackAt' | 'identity'>, identity: string): void
  standing(lease: string): BilledMachine | undefined
  prolong(lease: string, endsAt: number): void
  giveBack(lease: string, at: number): void
  setIdentity(lease: string, identity: string): void
  jobs(): Job[]
  startJob(lease: string, id: string, log: string): void
  images(): { image: Image; complete: boolean; uploads: number }[]
  beginImage(image: Image): void
  completeImage(id: string): void
  removeImage(id: string): void
  /** Changes with everything that is changed. */
  digest(): string
}

export function openLedger(directory: string): Ledger {
  const database = new DatabaseSync(join(directory, 'ledger.sqlite'), { timeout: 10_000 })
  database.exec(`PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS machines (lease, cloud, arch, purpose, rentedAt, endsAt, givenBackAt, identity);
    CREATE TABLE IF NOT EXISTS jobs (lease, id, starts, log, PRIMARY KEY (lease, id));
    CREATE TABLE IF NOT EXISTS images (id PRIMARY KEY, image, complete, uploads);`)
  const run = (sql: string, ...values: (string | number | null)[]) => database.prepare(sql).run(...values)
  const all = (sql: string, ...values: (string | number)[]) => database.prepare(sql).all(...values)
  const machines = () => all('SELECT * FROM machines ORDER BY rowid') as unknown as BilledMachine[]
  const jobs = () => all('SELECT * FROM jobs ORDER BY rowid') as unknown as Job[]
  const images = () =>
    all('SELECT * FROM images ORDER BY rowid').map(({ image, complete, uploads }) => ({
      image: JSON.parse(String(image)) as Image,
      complete: complete === 1,
      uploads: Number(uploads),
    }))
  const standing = (lease: string) =>
    machines().find((machine) => machine.lease === lease && machine.givenBackAt === null)
  return {
    machines,
    rent({ lease, cloud, arch, purpose, rentedAt, endsAt }, identity) {
      const values = [lease, cloud, arch, purpose, rentedAt, endsAt, null, identity]
      run('INSERT INTO machines VALUES (?, ?, ?, ?, ?, ?, ?, ?)', ...values)
    },
    standing,
    prolong: (lease, endsAt) =>
      void run('UPDATE machines SET endsAt = ? WHERE lease = ? AND givenBackAt IS NULL', endsAt, lease),
    giveBack: (lease, at) =>
      void run('UPDATE machines SET givenBackAt = ? WHERE lease = ? AND givenBackAt IS NULL', at, lease),
    setIdentity: (lease, identity) =>
      void run('UPDATE machines SET identity = ? WHERE lease = ? AND givenBackAt IS NULL', identity, lease),
    jobs,
    startJob(lease, id, log) {
      const known = jobs().find((job) => job.lease === lease && job.id === id)
      if (!known) run('INSERT INTO jobs VALUES (?, ?, 1, ?)', lease, id, log)
    },
    images,
    beginImage: (image) =>
      void run(
        `INSERT INTO images VALUES (?, ?, 0, 1) ON CONFLICT DO UPDATE SET complete = 0, uploads = uploads + 1`,
        image.id,
        JSON.stringify(image),
      ),
    completeImage: (id) => void run('UPDATE images SET complete = 1 WHERE id = ?', id),
    removeImage: (id) => void run('DELETE FROM images WHERE id = ?', id),
    digest: () =>
      createHash('sha256')
        .update(JSON.stringify([machines(), jobs(), images()]))
        .digest('hex'),
    [Symbol.dispose]: () => database.close(),
  }
}
