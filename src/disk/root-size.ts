/** The tool's config.toml for somebody who only wants a root file system of at least so many bytes. */
export function rootSizeConfig(minSizeBytes: number): string {
  return `[[customizations.filesystem]]\nmountpoint = "/"\nminsize = ${Math.ceil(minSizeBytes)}\n`
}
