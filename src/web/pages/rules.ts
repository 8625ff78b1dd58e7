import { html } from 'hono/html'
import type { RuleView, Serving } from '../types.ts'
import { type Markup, badge, line, lines, moment, relative } from './markup.ts'
import { releaseAddress } from './release-work.ts'

/** What starts releases by itself: when next, what came of it last, and what has paused. */
export function rulesSection(serving: Serving, csrf: string): Markup {
  const now = serving.now()
  const rules = serving
    .rules()
    .filter(({ name }) => name !== 'hand')
    .toSorted((one, other) => (one.nextAt ?? Infinity) - (other.nextAt ?? Infinity))
  return html`<section class="card" aria-labelledby="rules">
    <h2 id="rules">What comes next</h2>
    ${
      rules.length === 0
        ? html`<p class="empty">No rule makes releases; <code>rebuild</code> in the configuration does.</p>`
        : html`<ul class="rules">
            ${rules.map((rule) => ruleItem(rule, now, csrf))}
          </ul>`
    }
  </section>`
}

function ruleItem(rule: RuleView, now: number, csrf: string): Markup {
  const { name, meaning, nextAt, paused, trouble, last } = rule
  return html`<li id="rule-${line(name)}">
    <div class="head">
      <h3>${line(name)}</h3>
      ${paused ? badge('warn', 'paused') : ''} ${trouble ? badge('warn', 'cannot look') : ''}
      <p class="meta">${paused || nextAt === undefined ? '' : nextText(nextAt, now)}</p>
    </div>
    <p>${line(meaning)}</p>
    ${trouble ? html`<p>${line(trouble.message)}, first ${relative(trouble.since, now)}</p>` : ''}
    ${paused ? pausedNote(name, paused, now, csrf) : ''} ${last ? lastText(last, now) : ''}
  </li>`
}

function nextText(nextAt: number, now: number): Markup {
  return nextAt <= now ? html`is due` : html`${moment(nextAt)}, ${relative(nextAt, now)}`
}

function pausedNote(
  name: string,
  paused: NonNullable<RuleView['paused']>,
  now: number,
  csrf: string,
): Markup {
  return html`<div class="notes is-warn">
    <p>Paused ${relative(paused.at, now)}: ${line(paused.why)}</p>
    <form method="post" action="/rules/${encodeURIComponent(name)}/resume">
      <input type="hidden" name="csrf" value="${csrf}" />
      <button type="submit" id="resume-${line(name)}">Resume ${line(name)}</button>
    </form>
  </div>`
}

const outcomes: Record<string, Parameters<typeof badge>[0]> = {
  released: 'good',
  'nothing-changed': 'plain',
  failed: 'bad',
  skipped: 'plain',
}

/** What came of a tick, or that it is under way. */
export function lastText(last: NonNullable<RuleView['last']>, now: number): Markup {
  const { why, at, outcome, release, message } = last
  return html`<p class="last">
    ${badge(outcomes[outcome ?? ''] ?? 'busy', (outcome ?? 'under way').replace('-', ' '))}
    ${release === undefined ? '' : html`<a href="${releaseAddress(release)}">${line(release)}</a>`}
    ${relative(at, now)}: ${line(why)}
    ${message === undefined ? '' : html`<span class="said">– ${lines(message)}</span>`}
  </p>`
}
