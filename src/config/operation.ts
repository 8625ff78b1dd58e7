import { z } from 'zod'
import { parseDuration } from '#src/units.ts'
import { scheduleProblem, timezoneProblem } from './schedule.ts'

/* What the factory does by itself: when it releases, what it keeps, where it shows itself, whom it tells. */

const longestDays = 3660

/** Longer than any timer: the time between two looks is another matter. */
const span = z
  .string()
  .refine(
    (text) => (parseDuration(text) ?? 0) > 0 && (parseDuration(text) ?? 0) <= longestDays * 86_400_000,
    `is no time up to ${longestDays}d: write a number and m, h or d, like "14d"`,
  )

const path = z.string().min(1, 'is an empty path')
const hostAndPort = /^(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}$/

/** The rule speaks for itself: its sentence is the message. */
function scheduled(problem: (text: string) => string | undefined): z.ZodString {
  return z.string().refine((text) => problem(text) === undefined, {
    error: ({ input }) => problem(String(input)) ?? '',
    params: { code: 'schedule-invalid' },
  })
}

export const retention = z
  .strictObject({
    keep: z.int().min(0).default(3).describe('This many of the newest complete releases are kept.'),
    minAge: span.default('30d').describe('What is younger is kept, too.'),
  })
  .prefault({})
  .describe(
    'What `factory gc` leaves alone, besides everything that is promoted, previous, candidate, pinned or in use.',
  )

const git = z
  .strictObject({
    url: z
      .string()
      .min(1)
      .describe(
        'An address that git fetches from (https, ssh), or a directory here. Without credentials: git asks its credential helper.',
      ),
    ref: z
      .string()
      .regex(/^(?!-)[\w./-]+$/, 'is no git reference')
      .default('main')
      .describe('The branch or tag that is built.'),
    directory: z
      .string()
      .default('.')
      .describe(
        'What stands there for the directory of this file: relative paths of `image` and `disk` start in it.',
      ),
  })
  .describe('The repository that `watch: [containerfile]` looks at and `factory serve` builds from.')

export const rebuild = z
  .strictObject({
    cron: scheduled(scheduleProblem)
      .optional()
      .describe('Five fields: minute, hour, day of month, month, day of week.'),
    timezone: scheduled(timezoneProblem)
      .default('UTC')
      .describe('Whose clock `cron` goes by, like `Europe/Prague`.'),
    inactivity: span.optional().describe('Release when there has been no promotable release for so long.'),
    watch: z
      .array(z.enum(['containerfile', 'base']))
      .default([])
      .describe(
        '`containerfile`: a commit changed what the build uses. `base`: a tag behind FROM, or of the disk builder, has moved.',
      ),
    git: git.optional(),
    every: span
      .default('5m')
      .describe('How often what is watched is looked at; a webhook makes it look at once.'),
    pauseAfter: z
      .int()
      .min(1)
      .default(3)
      .describe('A rule whose releases failed this many times in a row pauses itself.'),
  })
  .prefault({})
  .describe('When `factory serve` makes a release by itself.')

export const serve = z
  .strictObject({
    listen: z
      .string()
      .regex(hostAndPort, 'is no host:port, like "127.0.0.1:8085"')
      .default('127.0.0.1:8085')
      .describe('Where the page and the API answer. Beyond this machine put a proxy with TLS before it.'),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe('Names that a browser may call it by, besides those of this machine: the name of the proxy.'),
    webhookSecret: path
      .optional()
      .describe('A file with the secret that GitHub, GitLab, Forgejo or Gitea signs its webhooks with.'),
  })
  .prefault({})
  .describe('How `factory serve` is reached.')

/** What people are told of. */
export const occasions = ['failed', 'promotable', 'promoted', 'rule-paused', 'leak-found'] as const

const told = {
  on: z
    .array(z.enum(occasions))
    .default([...occasions])
    .describe('Of what; by default of everything.'),
}
/** One address, on one line. */
const mailAddress = z
  .string()
  .regex(/^([^<>,;\p{Cc}]* )?<?[^<>,;\s@\p{Cc}]+@[\w.-]+>?$/u, 'is no mail address')
const urlFile = path.describe('A file with the address, which is a secret.')

export const notify = z
  .array(
    z.discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('webhook').describe('The event as JSON.'),
        urlFile,
        secretFile: path
          .optional()
          .describe('A file with a secret: the body is signed with it in `X-Factory-Signature-256`.'),
        ...told,
      }),
      z.strictObject({
        kind: z.literal('slack').describe('Slack, Mattermost and what understands them.'),
        urlFile,
        ...told,
      }),
      z.strictObject({
        kind: z.literal('matrix').describe('A room.'),
        homeserver: z
          .url({ protocol: /^https?$/, error: 'is no address that begins with https:// or http://' })
          .describe('The address of the client-server API of the homeserver.'),
        room: z
          .string()
          .regex(/^![^\s/]+$/, 'is no id of a room: it begins with "!"; an alias, with "#", is none')
          .describe('The id of the room, like `!abc:example.org`.'),
        tokenFile: path.describe('A file with the access token.'),
        ...told,
      }),
      z.strictObject({
        kind: z.literal('email').describe('By SMTP.'),
        server: z.string().regex(hostAndPort, 'is no host:port').describe('`host:port`.'),
        tls: z
          .enum(['required', 'starttls', 'none'])
          .default('required')
          .describe(
            '`required`: TLS from the first byte, mostly port 465. `starttls`: TLS after a plain greeting, or no mail; mostly port 587. `none`: only for a server on this machine.',
          ),
        from: mailAddress.describe(
          'The sender: `factory@example.org`, or `Image factory <factory@example.org>`.',
        ),
        to: z.array(mailAddress).min(1).describe('Who gets it.'),
        user: z.string().optional().describe('The account, where the server wants one.'),
        passwordFile: path.optional().describe('A file with its password.'),
        ...told,
      }),
    ]),
  )
  .default([])
  .describe('Who is told what happened.')
