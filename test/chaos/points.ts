import { appendFileSync } from 'node:fs'
import { FactoryError } from '#src/errors.ts'

/** What shall happen at one point of a run. */
export interface Injection {
  /** As `reach` names it, with the number of its occurrence: `append lease-taken x86_64 #1`. */
  point: string
  when: 'before' | 'after'
  /** SIGKILL, SIGSTOP, or the answer of a call that has had its effect is lost. */
  what: 'kill' | 'stop' | 'lose'
}

export interface Points {
  /** Goes through a point: what comes before, the thing itself, what comes after. */
  pass<T>(name: string, thing: () => T): T
}

/** The points that a run goes through are written to `logFile`; at one of them something happens. */
export function openPoints(logFile: string, injection: Injection | undefined): Points {
  const seen = new Map<string, number>()
  return {
    pass(name, thing) {
      const count = (seen.get(name) ?? 0) + 1
      seen.set(name, count)
      const point = `${name} #${count}`
      appendFileSync(logFile, `${point}\n`)
      const here = injection?.point === point ? injection : undefined
      if (here?.when === 'before') act(here.what)
      const result = thing()
      if (here?.when !== 'after') return result
      if (!(result instanceof Promise)) {
        act(here.what)
        return result
      }
      return result.then((value: unknown) => {
        act(here.what)
        return value
      }) as typeof result
    },
  }
}

function act(what: Injection['what']): void {
  if (what === 'lose') {
    const message = 'the answer was lost on its way'
    throw new FactoryError({ code: 'scripted-lost', message, class: 'infra' })
  }
  process.kill(process.pid, what === 'kill' ? 'SIGKILL' : 'SIGSTOP')
}
