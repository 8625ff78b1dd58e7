/** Who we are and where Keystone is, as clouds.yaml or the environment say it. */
export interface Identity {
  /** With /v3 at its end. */
  readonly authUrl: string
  readonly method: PasswordMethod | ApplicationCredentialMethod
  /** Which addresses of the catalogue are meant, where that is said. */
  readonly interface?: 'public' | 'internal' | 'admin' | undefined
  /** For people: `cloud osuosl of ~/.config/openstack/clouds.yaml`. */
  readonly source: string
  /** The files that hold secrets, for a look at their modes. */
  readonly files: readonly string[]
}

/** A name alone means nothing in Keystone v3: its domain belongs to it. */
export type Named = { readonly id: string } | { readonly name: string; readonly domain: Domain }
export type Domain = { readonly id: string } | { readonly name: string }

export interface PasswordMethod {
  readonly kind: 'password'
  readonly user: Named
  readonly password: string
  readonly project: Named
}

export interface ApplicationCredentialMethod {
  readonly kind: 'application-credential'
  readonly secret: string
  readonly credential: { readonly id: string } | { readonly name: string; readonly user: Named }
}

/** https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management */
export function authenticationRequest({ method }: Identity): object {
  if (method.kind === 'application-credential') {
    const application_credential = { ...method.credential, secret: method.secret }
    // It belongs to one project, so no scope is asked for.
    return { auth: { identity: { methods: ['application_credential'], application_credential } } }
  }
  const { user, password, project } = method
  return {
    auth: {
      identity: { methods: ['password'], password: { user: { ...user, password } } },
      scope: { project },
    },
  }
}
