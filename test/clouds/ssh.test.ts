import { builderContract } from '#test/contract/builders.ts'
import { createSshFixture } from './ssh-fixture.ts'

builderContract('ssh', () => createSshFixture())
