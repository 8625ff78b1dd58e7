import type { HttpBindings } from '@hono/node-server'

/** What every handler finds in its context (`c.get`, `c.env`), once the guard has let the request through. */
export interface WebEnvironment {
  Bindings: HttpBindings & {
    /** The request came over the socket in the state directory: from a process of the same user. */
    local?: boolean
  }
  Variables: {
    /** Who asks, for the journal; empty on what is open to everybody. */
    by: string
    /** Goes into the field `csrf` of every form and the header `X-CSRF-Token`; empty without a session. */
    csrf: string
    /** Goes into the attribute `nonce` of every script and style: others do not run. */
    secureHeadersNonce?: string
  }
}
