import { ensureLab } from './lab.ts'

await ensureLab((line) => process.stderr.write(`lab: ${line}\n`))
