import { execa } from 'execa'
import { expect, test } from 'vitest'
import { makeWorkspace } from '#test/config/workspace.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname
const configuration = `
image: { name: lab, containerfile: Containerfile }
disk: { builder: quay.io/a/bib:1 }
clouds: { amazon: { kind: aws, region: us-east-1, base: { x86_64: { ami: ami-0123456789abcdef0 } } } }
builders: { x86_64: [amazon] }
`
/** Nobody is logged in, and no machine is asked who we are. */
const environment = {
  PATH: process.env['PATH'],
  HOME: '/nowhere',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
}

test.each(['adopt', 'reap'])(
  'factory %s without credentials says that it could not look and how to log in, not that nothing is there',
  async (command) => {
    await using workspace = await makeWorkspace({ 'factory.yaml': configuration })
    const run = (...words: string[]) =>
      execa(process.execPath, [launcher, command, ...words], {
        cwd: workspace.directory,
        env: environment,
        extendEnv: false,
        reject: false,
      })
    const { exitCode, stdout, stderr } = await run()
    expect(exitCode).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^Could not look into: amazon\. /)
    expect(stderr).toContain('[aws-credentials]')
    expect(stderr.match(/Run aws configure/g)).toHaveLength(1)
    expect(stderr).not.toMatch(/nothing/i)

    const told = await run('--json')
    expect(told.exitCode).toBe(1)
    expect(told.stdout).toContain('Run aws configure')
    expect(() => void JSON.parse(told.stdout)).not.toThrow()
  },
)
