import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { RuleState } from '#src/journal/rules.ts'
import { ignore, pin, promote, rollBack } from '#src/release/choose.ts'
import { type Selection, selectedArchitectures } from '#src/release/destinations.ts'
import type { Garbage } from '#src/release/collect-garbage.ts'
import { listImages } from '#src/release/images.ts'
import { streamOf } from '#src/release/streams.ts'
import type { Rule, RunningRules, Wish } from '#src/trigger/types.ts'
import type { EventHistory, RuleView, Serving } from '#src/web/types.ts'
import type { Found } from '../findings.ts'
import { logTail } from './log-tail.ts'

export interface ServingParts {
  configuration: Configuration
  journal: Journal
  clouds: ReadonlyMap<string, Cloud>
  events: EventHistory
  rules: readonly Rule[]
  running: RunningRules
  findings(): { at: number; found: readonly Found[] } | undefined
  ready(): true | string
  collectGarbage(limit: number): Promise<Garbage>
  /** The choice is made when the journal has it; the files of the channels follow before anybody is told so. */
  follow(): Promise<void>
}

/** What the page and the API see of a running factory. */
export function servingOf(parts: ServingParts): Serving {
  const { configuration, journal, clouds, events, running } = parts
  const { stateDirectory, require } = configuration
  const chooser = { journal, require }
  return {
    configuration,
    clouds,
    now: Date.now,
    state: () => journal.state(),
    images: () => listImages(journal.state(), require, clouds),
    rules: () => ruleViews(parts),
    findings: parts.findings,
    events,
    logTail: async (release, arch, lines) => await logTail(stateDirectory, { release, arch, lines }),
    stream: async (channel) => await streamOf(stateDirectory, journal.state(), { channel, require }),
    ready: parts.ready,
    lookNow: (rule) => running.poke(rule),
    choose: {
      async press(wish) {
        // Who asks for what there is not is told now: the tick may come to nothing hours later, on another machine.
        selectedArchitectures(configuration, selectionOf(wish))
        return running.press(wish)
      },
      async promote(release, choice) {
        promote(chooser, release, choice)
        await parts.follow()
      },
      async ignore(release, choice) {
        ignore(chooser, release, choice)
        await parts.follow()
      },
      async pin(release, choice) {
        pin(chooser, release, choice)
      },
      async rollback(choice) {
        const release = rollBack(chooser, choice)
        await parts.follow()
        return { release }
      },
      async collectGarbage(limit) {
        return await parts.collectGarbage(limit)
      },
      async resumeRule(rule, by) {
        running.resume(rule, by)
      },
    },
  }
}

/** What the journal keeps of a wish are plain words. */
function selectionOf({ architectures, to }: Wish): Selection {
  return { architectures: architectures as readonly ArchitectureName[] | undefined, to }
}

/** The rules of the configuration, and `hand` once somebody has asked for something. */
function ruleViews({ rules, journal, running }: ServingParts): RuleView[] {
  const state = journal.state()
  const troubles = running.troubles()
  const views = rules.map((rule) => {
    const known = state.rules.get(rule.name)
    const nextAt = known?.paused ? undefined : rule.nextAt(state, Date.now())
    const trouble = troubles.get(rule.name)
    return {
      name: rule.name,
      meaning: rule.meaning,
      ...(trouble === undefined ? {} : { trouble }),
      ...(nextAt === undefined ? {} : { nextAt }),
      ...(known?.paused ? { paused: known.paused } : {}),
      ...lastOf(known),
    }
  })
  const hand = lastOf(state.rules.get('hand'))
  return hand.last ? [...views, { name: 'hand', meaning: 'when somebody asks for it', ...hand }] : views
}

function lastOf(known: RuleState | undefined): Pick<RuleView, 'last'> {
  const last = known?.ticks.at(-1)
  return last ? { last: { ...last, at: last.doneAt ?? last.takenAt } } : {}
}
