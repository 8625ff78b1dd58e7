/** What the commands of one call share. */
export interface CommandLine {
  /** `--config`. */
  config(): string | undefined
  exitCode: number
}
