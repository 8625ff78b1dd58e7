import { cloudContract } from '#test/contract/cloud.ts'
import { startIbm } from './ibm-fixture.ts'

cloudContract('ibm on its double', startIbm)
