import type { Answer, Operation } from './call.ts'
import { inside, needUpload } from './multipart.ts'
import type { UploadRecord } from './multipart.ts'
import { escapeXml } from './xml.ts'

/** With the checksums that moto does not keep, and in right pages: moto takes a part's number for its place in the list. */
export const listParts: Operation = async (call, world) => {
  const { checksums } = needUpload(call, world)
  const { uploadId = '', 'part-number-marker': marker = '0' } = call.parameters
  const url = call.url.replace(/\?.*/, `?uploadId=${uploadId}`)
  const answer = await world.upstream.forward({ ...call, url })
  const all = [...String(answer.body).matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => ({
    number: Number(inside(part, 'PartNumber')),
    part,
  }))
  const left = all.filter(({ number }) => number > Number(marker))
  const page = left.slice(0, world.settings.pageSize ?? 1000)
  const shownParts = page.map(({ number, part }) =>
    part.replace('</Part>', `<ChecksumSHA256>${checksums.get(number) ?? ''}</ChecksumSHA256></Part>`),
  )
  const next = `<NextPartNumberMarker>${page.at(-1)?.number ?? 0}</NextPartNumberMarker>`
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><UploadId>${uploadId}</UploadId>
<IsTruncated>${page.length < left.length}</IsTruncated>${next}${shownParts.join('')}</ListPartsResult>`
  return withBody(answer, body)
}

/** moto knows neither pages nor when an upload began. */
export const listMultipartUploads: Operation = async (call, world) => {
  const { Bucket, prefix = '' } = call.parameters
  const { 'key-marker': keyMarker = '', 'upload-id-marker': idMarker = '' } = call.parameters
  const all = [...world.uploads.values()]
    .filter(({ bucket, key }) => bucket === Bucket && key.startsWith(prefix))
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
  const left = all.filter((upload) => order(upload) > `${keyMarker} ${idMarker}`)
  const page = left.slice(0, world.settings.pageSize ?? 1000)
  const last = page.at(-1)
  const markers =
    page.length < left.length && last
      ? `<NextKeyMarker>${escapeXml(last.key)}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`
      : ''
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>${Bucket}</Bucket>
<IsTruncated>${markers !== ''}</IsTruncated>${markers}${page.map(shown).join('')}</ListMultipartUploadsResult>`
  return withBody(
    { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.alloc(0) },
    body,
  )
}

export const headObject: Operation = async (call, world) => {
  const { Bucket, Key } = call.parameters
  const answer = await world.upstream.forward(call)
  const checksum = world.checksums.get(`${Bucket}/${Key}`)
  if (answer.status !== 200 || checksum === undefined || call.headers['x-amz-checksum-mode'] !== 'ENABLED')
    return answer
  return { ...answer, headers: { ...answer.headers, 'x-amz-checksum-sha256': checksum } }
}

/** By key, then by the id, which stands for the time. */
function order({ key, id }: UploadRecord): string {
  return `${key} ${id}`
}

function shown({ key, id, startedAt, hasChecksums }: UploadRecord): string {
  const algorithm = hasChecksums ? '<ChecksumAlgorithm>SHA256</ChecksumAlgorithm>' : ''
  return `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId><Initiated>${startedAt}</Initiated>${algorithm}</Upload>`
}

function withBody({ status, headers }: Answer, text: string): Answer {
  const body = Buffer.from(text)
  return { status, headers: { ...headers, 'content-length': String(body.length) }, body }
}
