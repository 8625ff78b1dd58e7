import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { beforeAll, expect, test } from 'vitest'
import { alone } from './alone.ts'
import { clientConfig } from './aws-test.ts'
import { baseImages, motoTree } from './moto-tree.ts'
import { startMoto } from './moto.ts'
import { eventually } from './sshd.ts'

beforeAll(async () => {
  await motoTree()
})

/** A process of its own that starts a server of ours, says so, and waits. */
function holder(program: string) {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: new URL('../..', import.meta.url).pathname,
  })
  return { child, said: once(createInterface(child.stdout), 'line') as Promise<[string]> }
}

test('two emulators know nothing of each other, and forget everything when they are told to', async () => {
  await using one = await startMoto()
  await using other = await startMoto()
  const [s3, otherS3] = [one, other].map(
    (moto) => new S3Client({ ...clientConfig(moto), forcePathStyle: true }),
  )
  await s3!.send(new CreateBucketCommand({ Bucket: 'images' }))
  expect((await s3!.send(new ListBucketsCommand({}))).Buckets).toMatchObject([{ Name: 'images' }])
  expect((await otherS3!.send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([])
  await one.reset()
  expect((await s3!.send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([])
  const ask = new DescribeImagesCommand({ Owners: [baseImages.owner] })
  const { Images } = await new EC2Client(clientConfig(one, 'eu-west-1')).send(ask)
  expect(Images?.map(({ ImageId }) => ImageId)).toContain(baseImages.aarch64.id)
})

test('an emulator ends with the process that started it, however that ends', async () => {
  const { child, said } = holder(`
    const { startMoto } = await import('./test/servers/moto.ts')
    console.log((await startMoto()).endpoint)
    await new Promise(() => process.stdin.resume())
  `)
  const [endpoint] = await said
  expect((await fetch(`${endpoint}/moto-api/config`)).ok).toBe(true)
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  await eventually('the end of moto', () =>
    fetch(endpoint).then(
      () => false,
      () => true,
    ),
  )
})

test('what is made alone is waited for, also when its maker is killed', async () => {
  const name = `test-${process.pid}`
  const { child, said } = holder(`
    const { alone } = await import('./test/servers/alone.ts')
    await alone('${name}', () => new Promise(() => { console.log('mine'); process.stdin.resume() }))
  `)
  await said
  const order: string[] = []
  const waiting = [1, 2, 3].map((number) =>
    alone(name, async () => {
      order.push(`${number} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      order.push(`${number} ends`)
    }),
  )
  const ended = once(child, 'exit')
  expect(order).toEqual([])
  child.kill('SIGKILL')
  await ended
  await Promise.all(waiting)
  for (let i = 0; i < order.length; i += 2) expect(order[i]?.[0]).toBe(order[i + 1]?.[0])
  expect(order).toHaveLength(6)
})
