import type { ReleaseOptions } from '#src/command-line/options.ts'
import type { ReleaseOutcome } from '#src/events.ts'
import { chooseListener } from '#src/ui/choose.ts'
import type { Screen } from '#src/ui/listener.ts'
import { spelledScreen } from './spelling.ts'

export const exitCodes: Record<ReleaseOutcome, number> = { done: 0, failed: 1, partial: 3, interrupted: 130 }

export interface ReleaseCommandOptions extends ReleaseOptions {
  config: string | undefined
  keepBuilders?: boolean
  takeOver?: boolean
  /** The address of a factory that serves. */
  remote?: string
  output?: 'tree' | 'lines' | 'json'
}

/** Whoever the release is shown to. */
export function screenFor({ output }: ReleaseCommandOptions): Screen {
  const chosen = chooseListener(output, process.stderr)
  return output === 'json' ? chosen : spelledScreen(chosen)
}
