import { type BuildersFixture, builderContract } from './builders.ts'
import { type ImagesFixture, imageContract } from './images.ts'

export { gather, imageKey, newLease, testContext } from './shared.ts'

/** What a cloud brings to its contract. */
export type CloudFixture = BuildersFixture & ImagesFixture

/** What every cloud must do; a cloud's own test calls this with its fixture. */
export function cloudContract(kind: string, makeFixture: () => Promise<CloudFixture>): void {
  builderContract(kind, makeFixture)
  imageContract(kind, makeFixture)
}
