import { dirname } from 'node:path'
import { bash } from './shell.ts'
import type { Shell } from './shell.ts'

/** Arguments: path, mode, size. The size is compared because a broken connection looks like the end of the content. */
const writeScript = String.raw`
set -euo pipefail
umask 077
temporary=$(mktemp "$1.XXXXXXXX")
trap 'rm -f "$temporary"' EXIT
cat >"$temporary"
[ "$(stat -c %s "$temporary")" = "$3" ] || { echo "the content did not arrive whole" >&2; exit 75; }
chmod "$2" "$temporary"
mv -fT "$temporary" "$1"
`

/** Writes a file on the builder under a temporary name and renames it: never half, never readable too widely. */
export async function writeRemoteFile(
  shell: Shell,
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const size = typeof content === 'string' ? Buffer.byteLength(content) : content.length
  await shell.run(['mkdir', '-p', dirname(path)])
  const asked = bash(writeScript, path, mode.toString(8), String(size))
  await shell.run(asked, { what: `writing ${path}`, stdin: content })
}
