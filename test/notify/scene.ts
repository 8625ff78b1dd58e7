import { createNotifier, type Notifier } from '#src/notify/notifier.ts'
import { type Patience, usualPatience } from '#src/notify/patience.ts'
import type { Notice } from '#src/notify/types.ts'
import type { NotifyConfiguration } from '#src/config/types.ts'
import { occasions } from '#src/config/operation.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'

/** What builders and forges could say to fool whoever shows it. */
export const hostile =
  'a\r\nBcc: victim@example.org\n\n<script>alert(1)</script> <!channel> <@U123> @channel @room [x](http://evil.example) ```\u001b[31m\u202e\ud800 "&\''

export function notice(changes: Partial<Notice> = {}): Notice {
  return {
    id: 'aaaa0000aaaa0000aaaa0000aaaa0000',
    occasion: 'failed',
    at: Date.UTC(2026, 10, 30, 4, 0, 0),
    release: 'lab-20261130-040000-abcd',
    title: 'lab-20261130-040000-abcd failed',
    text: 'x86_64 disks: the disk builder ended with 1 [disk-build-failed]',
    hint: 'factory logs x86_64',
    facts: { outcome: 'failed' },
    ...changes,
  }
}

export interface Scene extends AsyncDisposable {
  readonly notifier: Notifier
  readonly workspace: Workspace
  readonly logged: readonly string[]
  /** Milliseconds of every pause, none of which took time. */
  readonly pauses: readonly number[]
  /** What the clock of the notifier says (milliseconds since 1970); pauses move it. */
  clock: number
  stop(): void
}

/** Everything that may be set but the kind, without its secrets, which are files. */
export type Told = Record<string, unknown> & { kind: NotifyConfiguration['kind'] }

/**
 * A notifier whose clock is moved by its own pauses; `secrets` are written as files of their names, which the
 * configuration gets as absolute paths where it names them.
 */
export async function makeScene(
  told: readonly Told[],
  secrets: Record<string, string> = {},
  {
    patience = {},
    name,
    pageUrl = 'https://factory.example.org/?a=1&b=2',
  }: { patience?: Partial<Patience>; name?: string; pageUrl?: string } = {},
): Promise<Scene> {
  const workspace = await makeWorkspace(secrets)
  const logged: string[] = []
  const pauses: number[] = []
  const stopping = new AbortController()
  const configured = told.map((one) => {
    const files = Object.entries(one).map(([key, value]) =>
      key.endsWith('File') ? [key, `${workspace.directory}/${String(value)}`] : [key, value],
    )
    return { on: [...occasions], ...Object.fromEntries(files) } as NotifyConfiguration
  })
  const scene = {
    workspace,
    logged,
    pauses,
    clock: Date.UTC(2026, 10, 30, 4, 0, 1),
    stop: () => stopping.abort(new Error('stopped')),
    [Symbol.asyncDispose]: async () => {
      stopping.abort(new Error('the test is over'))
      await notifier.settled()
      await workspace[Symbol.asyncDispose]()
    },
  }
  const notifier = createNotifier(configured, {
    now: () => scene.clock,
    sleep: async (ms) => {
      stopping.signal.throwIfAborted()
      pauses.push(ms)
      scene.clock += ms
    },
    signal: stopping.signal,
    log: (line) => logged.push(line),
    pageUrl,
    name,
    patience: { ...usualPatience, ...patience },
  })
  return Object.assign(scene, { notifier })
}
