import { readFile } from 'node:fs/promises'
import { bucketOf } from '#clouds/aws/images/bucket.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { uploadArtifact } from '#clouds/aws/images/upload.ts'
import { testContext } from '#test/contract/cloud.ts'

/** An upload in a process of its own; its arguments are one JSON text, its answer is the most memory that it ever had. */
const [configuration, artifact, key] = JSON.parse(process.argv[2]!)
const { owner } = key
const regions = [configuration.region]
const settings = { name: 'test', owner, configuration, regions, stateDirectory: '/nonexistent' }
const bucket = bucketOf({ ...settings, clients: awsClients(configuration) })!
await uploadArtifact(bucket, artifact, key, testContext())
// Not resourceUsage(): its peak is also that of the process that this one was forked from.
const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8'))!
process.stdout.write(JSON.stringify({ peakBytes: Number(peakKiB) * 1024 }))
