import type { BuilderRef } from './types.ts'

/** Builders are worked on as root; where the login is another user, sudo must do without a password. */
export function asRoot(ref: BuilderRef, argv: readonly string[]): readonly string[] {
  return ref.user === 'root' ? argv : ['sudo', '-n', '--', ...argv]
}
