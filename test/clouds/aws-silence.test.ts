import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { expect, test } from 'vitest'
import { awsFailure } from '#clouds/aws/failures.ts'
import { giveUpSilence } from '#clouds/aws/silence.ts'
import { clientConfig } from '#test/servers/aws-test.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'

/** Something at an endpoint's address that does with a request what is given; counts them. */
async function answeringWith(answer: ((end: (status: number, body: string) => void) => void) | undefined) {
  let requests = 0
  const server = await serveOnLoopback((incoming, outgoing) => {
    requests += 1
    incoming.resume()
    answer?.((status, body) => outgoing.writeHead(status, { 'content-type': 'text/html' }).end(body))
  })
  return { ...server, endpoint: server.url, count: () => requests }
}

function patientClient(server: { endpoint: string }) {
  const requestHandler = { requestTimeout: 300, throwOnRequestTimeout: true }
  return giveUpSilence(new EC2Client({ ...clientConfig(server), maxAttempts: 5, requestHandler }))
}

test('a service that never says a word is given up at the second try, and called unreachable', async () => {
  await using silent = await answeringWith(undefined)
  const error: unknown = await patientClient(silent)
    .send(new DescribeImagesCommand({}))
    .catch((failure: unknown) => failure)
  expect(silent.count()).toBe(2)
  expect(awsFailure(error, 'listing images', 'us-east-1')).toMatchObject({
    code: 'aws-not-reachable',
    class: 'infra',
    message: 'listing images in us-east-1 failed: nothing came back, twice',
  })
})

test('one that is out of breath and says so is asked as often as the SDK asks', async () => {
  await using busy = await answeringWith((end) => end(503, '<html>busy</html>'))
  await patientClient(busy)
    .send(new DescribeImagesCommand({}))
    .catch(() => undefined)
  expect(busy.count()).toBe(5)
})

test.each([
  [200, '<html><head><meta></head></html>'],
  [404, 'not here'],
])('something else than AWS that answers %s is called that', async (status, body) => {
  await using portal = await answeringWith((end) => end(status, body))
  const error: unknown = await patientClient(portal)
    .send(new DescribeImagesCommand({}))
    .catch((failure: unknown) => failure)
  expect(awsFailure(error, 'listing images', 'us-east-1')).toMatchObject({
    code: 'aws-answer-unreadable',
    message: expect.stringContaining('what answered is not AWS'),
    hint: expect.stringContaining('endpoint'),
  })
})
