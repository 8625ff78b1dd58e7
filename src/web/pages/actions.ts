import type { Context, Hono } from 'hono'
import { FactoryError } from '#src/errors.ts'
import type { Choice } from '#src/release/choose.ts'
import { ruleNames } from '#src/trigger/types.ts'
import type { WebEnvironment } from '../environment.ts'
import type { Serving } from '../types.ts'
import { line } from './markup.ts'
import { type TellingBoard, type Told, refusal } from './told.ts'

type Asking = Context<WebEnvironment>
type Fields = Record<string, string | File | (string | File)[]>

/** What forms ask for. Whether the request may, the guard has decided before. */
export function serveActions(app: Hono<WebEnvironment>, serving: Serving, board: TellingBoard): void {
  const { choose } = serving
  /** Does it, and leads back to the page of the form with what came of it. */
  const asked = (act: (c: Asking, fields: Fields) => Promise<string>) => async (c: Asking) => {
    const fields = await c.req.parseBody({ all: true })
    const told = await act(c, fields).then((message): Told => ({ ok: true, message }), refusal)
    return c.redirect(`${pageOf(fields, c.req.param('release'))}?told=${board.put(told)}`, 303)
  }

  app.post(
    '/releases',
    asked(async (c, fields) => {
      const architectures = texts(fields, 'arch')
      const to = texts(fields, 'to')
      await choose.press({
        by: c.get('by'),
        ...(fields['force'] === undefined ? {} : { force: true }),
        ...(architectures.length === 0 ? {} : { architectures }),
        ...(to.length === 0 ? {} : { to }),
      })
      return 'A release is asked for. The plan says what is to be built; where nothing changed, nothing is. What becomes of it stands under the button.'
    }),
  )
  app.post(
    '/releases/:release/promote',
    asked(async (c, fields) => {
      const release = releaseOf(c)
      const choice = choiceOf(c, fields)
      if (choice.force && choice.why === undefined)
        throw unexplained('a promotion against what the release says of itself')
      await choose.promote(release, choice)
      return `Release ${line(release)} is promoted.`
    }),
  )
  app.post(
    '/releases/:release/ignore',
    asked(async (c, fields) => {
      const choice = choiceOf(c, fields)
      if (choice.why === undefined) throw unexplained('to ignore a release')
      await choose.ignore(releaseOf(c), choice)
      return `Release ${line(releaseOf(c))} is ignored.`
    }),
  )
  app.post(
    '/releases/:release/pin',
    asked(async (c, fields) => {
      const pinned = fields['pinned'] === 'yes'
      await choose.pin(releaseOf(c), { ...choiceOf(c, fields), pinned })
      return `Release ${line(releaseOf(c))} is ${pinned ? 'pinned: it is kept until it is unpinned' : 'not pinned any more'}.`
    }),
  )
  app.post(
    '/rollback',
    asked(async (c, fields) => {
      const { release } = await choose.rollback(choiceOf(c, fields))
      return `Release ${line(release)} is promoted again.`
    }),
  )
  for (const rule of ruleNames)
    app.post(
      `/rules/${rule}/resume`,
      asked(async (c) => {
        await choose.resumeRule(rule, c.get('by'))
        return `The rule ${rule} works again.`
      }),
    )
}

/** Only pages of ours: a form may not lead elsewhere. */
function pageOf(fields: Fields, release: string | undefined): string {
  if (fields['back'] === 'images') return '/images'
  return fields['back'] === 'release' && release !== undefined
    ? `/releases/${encodeURIComponent(release)}`
    : '/'
}

function releaseOf(c: Asking): string {
  return c.req.param('release') ?? ''
}

function choiceOf(c: Asking, fields: Fields): Choice {
  const [why] = texts(fields, 'why')
  return {
    by: c.get('by'),
    ...(why === undefined ? {} : { why }),
    ...(fields['force'] === undefined ? {} : { force: true }),
  }
}

/** What was filled in or ticked under a name. */
function texts(fields: Fields, name: string): string[] {
  return [fields[name] ?? []]
    .flat()
    .filter((value) => typeof value === 'string')
    .map((value) => value.trim())
    .filter((value) => value !== '')
}

function unexplained(what: string): FactoryError {
  return new FactoryError({
    code: 'reason-missing',
    class: 'user',
    message: `${what} needs a reason`,
    hint: 'Fill in why: it is kept with the release.',
  })
}
