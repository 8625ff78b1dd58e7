import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { permissionsFor } from '#clouds/aws/doctor/permissions.ts'

const folder = new URL('../../clouds/aws', import.meta.url).pathname
/** Everybody may ask who he is; the doctor's dry runs and looks are of rights that the release needs. */
const free = ['sts:GetCallerIdentity']

/** The action of every call in the source: `new XCommand(` and `paginateX(`, with the service that the class is imported from. */
function calledActions(): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  return files.flatMap((file) => {
    const source = readFileSync(join(folder, file), 'utf8')
    const imports = [...source.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-([\w-]+)'/g)]
    return imports.flatMap(([, names = '', service = '']) =>
      names
        .split(',')
        .map((name) => /^(?:paginate(\w+)|(\w+)Command)$/.exec(name.trim()))
        .flatMap((match) => (match ? `${service.replace('-', '')}:${match[1] ?? match[2]}` : [])),
    )
  })
}

test('every call of the adapter has its right in the table, and every right a call', () => {
  const configuration = awsConfiguration.parse({
    kind: 'aws',
    region: 'us-east-1',
    copyTo: ['eu-west-1'],
    base: { x86_64: { ssm: '/factory/base' } },
    spot: 'first',
    share: { accounts: ['210987654321'], public: true },
    deprecateAfter: '90d',
  })
  const listed = permissionsFor(configuration).map(({ action }) => action)
  expect(listed).toEqual([...new Set(listed)])
  const called = new Set(calledActions().filter((action) => !free.includes(action)))
  expect([...called].filter((action) => !listed.includes(action))).toEqual([])
  // Tags at creation and StartSnapshot's own are asked for by the same name.
  expect(listed.filter((action) => !called.has(action))).toEqual([])
})
