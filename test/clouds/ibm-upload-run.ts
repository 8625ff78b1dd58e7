import { readFile } from 'node:fs/promises'
import { openBucket } from '#clouds/ibm/images/bucket.ts'
import { uploadArtifact } from '#clouds/ibm/images/upload.ts'
import { testContext } from '#test/contract/cloud.ts'

/** An upload in a process of its own; its arguments are one JSON text, its answer is the most memory that it ever had. */
const [configuration, artifact, key] = JSON.parse(process.argv[2]!)
await uploadArtifact(openBucket({ name: 'test', configuration })!, artifact, key, testContext())
// Not resourceUsage(): its peak is also that of the process that this one was forked from.
const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8'))!
process.stdout.write(JSON.stringify({ peakBytes: Number(peakKiB) * 1024 }))
