import { imageContract } from '#test/contract/images.ts'
import { startIbm } from './ibm-fixture.ts'

imageContract('ibm on its double', startIbm)
