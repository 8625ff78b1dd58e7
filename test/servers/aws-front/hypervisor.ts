/** A machine that RunInstances has started, for the one who runs it for real. */
export interface StartedMachine {
  readonly id: string
  readonly region: string
  readonly imageId: string
  /** As EC2 names it: x86_64, arm64. */
  readonly architecture: string
  /** Of the root volume. */
  readonly rootBytes: number
  /** What cloud-init gets, decoded. */
  readonly userData: Buffer
}

/** Where machines run for real; without one they exist only on paper. */
export interface Hypervisor {
  /** Returns when the machine has a place; it may still be booting. */
  start(machine: StartedMachine): Promise<void>
  /** Ends it at once; one that has ended already is no error. */
  end(id: string): Promise<void>
}
