import { z } from 'zod'
import { type HttpReceiver, type Reply, startHttpReceiver } from './http-receiver.ts'

export interface MatrixDouble extends AsyncDisposable {
  readonly homeserver: string
  readonly token: string
  readonly room: string
  /** What stands in the room. */
  readonly events: readonly MatrixContent[]
  readonly requests: HttpReceiver['requests']
  /** The next requests meet these first; `lost` is taken into the room, and its answer does not arrive. */
  readonly faults: (Reply | 'lost' | 'silent')[]
}

const content = z.strictObject({
  msgtype: z.literal(['m.text', 'm.notice']),
  body: z.string().min(1),
  format: z.literal('org.matrix.custom.html'),
  formatted_body: z.string(),
  'm.mentions': z.strictObject({ user_ids: z.array(z.string()).optional(), room: z.boolean().optional() }),
})
export type MatrixContent = z.infer<typeof content>

/** https://spec.matrix.org/latest/client-server-api/#size-limits */
const mostOfEventBytes = 65_536
const token = 'syt_Zm0_secretOfTheBot_0aBcDe'
const room = '!factory:example.org'

/**
 * A strict stand-in for the call of a Matrix homeserver that we make, which has never met a real one: one token, one room
 * that its account has joined, one event a transaction id.
 */
export async function startMatrixDouble(): Promise<MatrixDouble> {
  const events: MatrixContent[] = []
  const transactions = new Map<string, string>()
  const faults: (Reply | 'lost' | 'silent')[] = []
  const server = await startHttpReceiver((request) => {
    const fault = faults.shift()
    if (fault !== undefined && fault !== 'lost') return fault
    const { authorization } = request.headers
    if (authorization === undefined) return refusal(401, 'M_MISSING_TOKEN')
    if (authorization !== `Bearer ${token}`) return refusal(401, 'M_UNKNOWN_TOKEN')
    const call = /^\/_matrix\/client\/v3\/rooms\/([^/]+)\/send\/m\.room\.message\/([\w-]+)$/.exec(
      request.path,
    )
    if (!call || request.method !== 'PUT') return refusal(404, 'M_UNRECOGNIZED')
    if (decodeURIComponent(call[1]!) !== room) return refusal(403, 'M_FORBIDDEN')
    if (Buffer.byteLength(request.body) > mostOfEventBytes) return refusal(413, 'M_TOO_LARGE')
    const read = content.safeParse(JSON.parse(request.body))
    if (!read.success) return refusal(400, 'M_BAD_JSON')
    const known = transactions.get(call[2]!) ?? `$event${events.push(read.data)}`
    transactions.set(call[2]!, known)
    return fault ?? { status: 200, body: JSON.stringify({ event_id: known }) }
  })
  return {
    homeserver: server.origin,
    token,
    room,
    events,
    requests: server.requests,
    faults,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function refusal(status: number, errcode: string): Reply {
  return { status, body: JSON.stringify({ errcode, error: `refused: ${errcode}` }) }
}
