import { createHmac } from 'node:crypto'

/** Headers and body of a webhook as a forge sends it. */
export interface SignedWebhook {
  path: string
  headers: Record<string, string>
  body: string
}

const push = {
  ref: 'refs/heads/main',
  before: '28e1879d029cb852e4844d9c718537df08844e03',
  after: 'bffeb74224043ba2feb48d137756c8a9331c449a',
  commits: [{ id: 'bffeb74224043ba2feb48d137756c8a9331c449a', message: 'Žluťoučký kůň 🐎 <b>&amp;</b>\n' }],
}

function hex(secret: string, body: string): string {
  return createHmac('sha256', secret).update(body).digest('hex')
}

export function github(secret: string, event = 'push'): SignedWebhook {
  const body = JSON.stringify({
    ...push,
    repository: { full_name: 'example/images', private: false },
    pusher: { name: 'jana' },
  })
  return {
    path: '/webhooks/github',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/044aadd',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-github-event': event,
      'x-github-hook-id': '292430182',
      'x-hub-signature-256': `sha256=${hex(secret, body)}`,
    },
    body,
  }
}

/** Forgejo sends its own names and those of Gitea, GitHub and Gogs; `gitea` has no names of Forgejo. */
export function forgejo(secret: string, kind: 'forgejo' | 'gitea' = 'forgejo'): SignedWebhook {
  const body = JSON.stringify(
    { ...push, repository: { full_name: 'example/images' }, pusher: { login: 'jana' } },
    null,
    2,
  )
  const signature = hex(secret, body)
  const names = kind === 'forgejo' ? ['forgejo', 'gitea'] : ['gitea']
  return {
    path: '/webhooks/forgejo',
    headers: {
      'content-type': 'application/json',
      'x-hub-signature-256': `sha256=${signature}`,
      ...Object.fromEntries(
        names.flatMap((name) => [
          [`x-${name}-delivery`, 'f6266f16-1bf3-46a5-9ea4-602e06ead473'],
          [`x-${name}-event`, 'push'],
          [`x-${name}-signature`, signature],
        ]),
      ),
    },
    body,
  }
}

const gitlabBody = JSON.stringify({
  object_kind: 'push',
  event_name: 'push',
  ...push,
  checkout_sha: push.after,
  project: { path_with_namespace: 'example/images' },
})
const gitlabHeaders = {
  'content-type': 'application/json',
  'user-agent': 'GitLab/18.11.0-pre',
  'idempotency-key': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
  'x-gitlab-event': 'Push Hook',
  'x-gitlab-instance': 'https://gitlab.example',
  'x-gitlab-webhook-uuid': '13792a34-cac6-4fda-95a8-c58e00a3954e',
}

export function gitlab(token: string): SignedWebhook {
  return {
    path: '/webhooks/gitlab',
    headers: { ...gitlabHeaders, 'x-gitlab-token': token },
    body: gitlabBody,
  }
}

/** With a signing token; `at` is milliseconds since 1970. */
export function gitlabSigned(signingToken: string, at: number): SignedWebhook {
  const id = gitlabHeaders['idempotency-key']
  const timestamp = String(Math.floor(at / 1000))
  const key = Buffer.from(signingToken.replace('whsec_', ''), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${gitlabBody}`).digest('base64')
  return {
    path: '/webhooks/gitlab',
    headers: {
      ...gitlabHeaders,
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    body: gitlabBody,
  }
}
