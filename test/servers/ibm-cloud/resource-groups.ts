import type { Operation } from './operation.ts'

export const resourceOperations: Operation[] = [
  {
    action: 'ListResourceGroups',
    method: 'GET',
    path: /^\/resource_groups$/,
    query: ['account_id', 'name'],
    run: (_call, { settings }) => ({
      status: 200,
      body: { resources: settings.resourceGroups.map((group) => ({ ...group, state: 'ACTIVE' })) },
    }),
  },
]
