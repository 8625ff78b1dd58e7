import { expect } from 'vitest'
import { type Answer, type WebServer, form } from './web-server.ts'

/** A browser without a screen: a cookie, and what the last page's forms hold. */
export interface Session {
  look(path: string): Promise<Answer>
  /** Sends a form with the CSRF field of the page that stands at `/`, and returns the page that it leads to. */
  send(path: string, fields?: Record<string, string>): Promise<Answer & { location: string }>
}

export async function session(server: WebServer): Promise<Session> {
  const login = await server.ask('/login', { ...form({ name: 'jana', token: server.token }), bearer: false })
  const cookie = login.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  const headers = { cookie, accept: 'text/html' }
  const look = (path: string) => server.ask(path, { bearer: false, headers })
  return {
    look,
    async send(path, fields = {}) {
      const csrf = /name="csrf" value="([^"]+)"/.exec((await look('/')).text)?.[1] ?? ''
      const { body, method, headers: own } = form({ csrf, ...fields })
      const asking = { method: method ?? 'POST', body: body ?? '', headers: { ...headers, ...own } }
      const sent = await server.ask(path, { bearer: false, ...asking })
      expect([path, sent.status]).toEqual([path, 303])
      const location = sent.headers.location ?? ''
      return { ...(await look(location)), location }
    },
  }
}
