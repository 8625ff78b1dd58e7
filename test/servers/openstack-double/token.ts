import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from './request.ts'
import type { World } from './world.ts'

export interface Caller {
  readonly projectId: string
  readonly userId: string
  readonly token: string
}

/** As the services' own middleware keeps what Keystone said, only shorter. */
const keptMs = 2_000

/** Whose token a request bears, as the real Keystone says it. */
export async function callerOf({ stack, callers }: World, headers: IncomingHttpHeaders): Promise<Caller> {
  const token = headers['x-auth-token']
  if (typeof token !== 'string') throw new Refusal(401, 'The request you have made requires authentication.')
  const known = callers.get(token)
  if (known && known.until > Date.now()) return known.caller
  const answer = await fetch(`${stack.keystone.url}/auth/tokens`, {
    headers: { 'x-auth-token': token, 'x-subject-token': token },
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Refusal(401, 'The request you have made requires authentication.')
  const { token: said } = JSON.parse(text) as { token: { project?: { id: string }; user: { id: string } } }
  if (!said.project) throw new Refusal(403, 'The token is for no project.')
  const caller = { projectId: said.project.id, userId: said.user.id, token }
  callers.set(token, { caller, until: Date.now() + keptMs })
  return caller
}
