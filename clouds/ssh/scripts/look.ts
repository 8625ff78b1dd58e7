import { library, program } from './library.ts'

/**
 * Looks at a host and changes nothing. Arguments: directory, and the tools that it must have. Prints `arch`, `clock`, `free`,
 * `missing TOOL`, the survey, and `end`.
 */
export const lookScript = program`
directory=$1
shift
${library}
echo "arch $(uname -m)"
echo "clock $(date +%s)"
for tool in "$@"; do command -v "$tool" >/dev/null || echo "missing $tool"; done
place=$directory
while [ ! -d "$place" ]; do place=$(dirname "$place"); done
echo "free $(df -B1 --output=avail "$place" | tail -n 1 | tr -d ' ')"
survey
echo end
`
