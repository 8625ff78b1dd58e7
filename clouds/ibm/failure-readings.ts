import type { FactoryErrorFacts } from '#src/errors.ts'

/** What a failure means to a person. */
export type Reading = Pick<FactoryErrorFacts, 'code' | 'class' | 'hint'>

const credentials: Reading = {
  code: 'ibm-credentials',
  class: 'permission',
  hint: 'Make a new API key (ibmcloud iam api-key-create factory --file KEYFILE) and put it where the configuration says; look at the clock of this machine.',
}
export const unreadable: Reading = {
  code: 'ibm-answer-unreadable',
  class: 'infra',
  hint: 'Run the same command again. Are the `endpoints` in the configuration right, and what stands before them?',
}

/** By status and code, in the order in which they are looked for. */
const readings: readonly [(status: number, code: string) => boolean, Reading][] = [
  [(_, code) => /^(BXNIM0(415|410|413|407)E)$/.test(code), credentials],
  [(status) => status === 401, credentials],
  // Before quotas: the limit that such an answer speaks of is one of calls.
  [
    (status) => status === 429,
    {
      code: 'ibm-throttled',
      class: 'infra',
      hint: 'IBM Cloud asks for fewer calls; it was tried again for a while. Run the same command again later.',
    },
  ],
  [
    (_, code) => /quota|limit_exceeded/i.test(code),
    {
      code: 'ibm-quota',
      class: 'quota',
      hint: 'Ask for a higher quota (a support case, IBM Cloud console) or remove what is not needed: factory reap.',
    },
  ],
  [
    (_, code) => /capacity|insufficient_(resources|host)/i.test(code),
    {
      code: 'ibm-no-capacity',
      class: 'capacity',
      hint: 'Name more `profiles` or `subnets` in other zones, or another cloud in `builders`; or try again later.',
    },
  ],
  [
    (status, code) => status === 403 || /not_authorized|forbidden/i.test(code),
    {
      code: 'ibm-permission',
      class: 'permission',
      hint: 'Run factory doctor; docs/clouds/ibm.md lists the rights that the API key needs.',
    },
  ],
  [
    (status) => status === 409,
    {
      code: 'ibm-busy',
      class: 'infra',
      hint: 'Something is still being done with it: run the same command again, it looks anew.',
    },
  ],
  [
    (status) => status >= 500,
    { code: 'ibm-failed', class: 'infra', hint: 'IBM Cloud itself failed: run the same command again.' },
  ],
  [
    (status) => status >= 400,
    {
      code: 'ibm-refused',
      class: 'user',
      hint: 'Compare what it names with clouds.NAME in the configuration; factory doctor looks at all of it.',
    },
  ],
]

/** What an answer of this status, with IBM's own code for it, means; undefined for statuses that are no failure. */
export function readingOf(status: number, code: string): Reading | undefined {
  return readings.find(([applies]) => applies(status, code))?.[1]
}
