import { type Image as Ami, paginateDescribeImages } from '@aws-sdk/client-ec2'
import { GetParameterCommand } from '@aws-sdk/client-ssm'
import { type ArchitectureName, architectures } from '#arch/index.ts'
import { quoteWord } from '#src/builder/quote.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { amiById } from '../images/amis.ts'
import { call } from '../call.ts'
import type { AwsBase } from '../config.ts'
import { isNotFound } from '../failures.ts'
import { everyItem } from '../pages.ts'
import type { AwsSettings } from '../settings.ts'

/** The AMI that `base.ARCH` of the configuration means today; undefined when an id that it names is not there. */
export async function baseAmi(
  settings: AwsSettings,
  arch: ArchitectureName,
  base: AwsBase,
  region: string,
  ctx: Context,
): Promise<Ami | undefined> {
  if (base.ami !== undefined) return await amiById(settings.clients(region), base.ami, ctx)
  if (base.ssm !== undefined) {
    const id = await parameter(settings, arch, base.ssm, region, ctx)
    const ami = await amiById(settings.clients(region), id, ctx)
    if (ami) return ami
    const what = `ssm: ${base.ssm} holds ${id}, and no such AMI is in ${region}`
    throw notFound(settings, arch, what, lookAtParameter(base.ssm, region))
  }
  return await newest(settings, arch, { owner: base.owner ?? '', name: base.name ?? '' }, region, ctx)
}

/** https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html */
async function parameter(
  settings: AwsSettings,
  arch: ArchitectureName,
  name: string,
  region: string,
  ctx: Context,
): Promise<string> {
  const { ssm } = settings.clients(region)
  try {
    const answer = await call(`reading the SSM parameter ${name}`, region, ctx, (options) =>
      ssm.send(new GetParameterCommand({ Name: name }), options),
    )
    const [id] = /\bami-[0-9a-f]{8,17}\b/.exec(answer.Parameter?.Value ?? '') ?? []
    if (id !== undefined) return id
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw notFound(settings, arch, `ssm: ${region} has no parameter ${name}`, lookAtParameter(name, region))
  }
  const what = `ssm: the parameter ${name} in ${region} holds no AMI id`
  throw notFound(settings, arch, what, lookAtParameter(name, region))
}

function lookAtParameter(parameter: string, region: string): string {
  return `aws ssm get-parameter --region ${region} --name ${quoteWord(parameter)}`
}

/** Those that their owner has deprecated are not listed; of the rest the one that was made last. */
async function newest(
  settings: AwsSettings,
  arch: ArchitectureName,
  { owner, name }: { owner: string; name: string },
  region: string,
  ctx: Context,
): Promise<Ami> {
  const { ec2 } = settings.clients(region)
  const Filters = [
    { Name: 'name', Values: [name] },
    { Name: 'state', Values: ['available'] },
  ]
  const paging = { client: ec2, pageSize: settings.pageSize ?? 1000 }
  const all = await call(`looking for ${name}`, region, ctx, ({ abortSignal }) =>
    everyItem(
      paginateDescribeImages(paging, { Owners: [owner], Filters }, { abortSignal }),
      ({ Images }) => Images,
    ),
  )
  const [last] = all
    .filter(({ Architecture }) => Architecture === architectures[arch].ec2)
    .toSorted((a, b) => (b.CreationDate ?? '').localeCompare(a.CreationDate ?? ''))
  if (last) return last
  const others = [...new Set(all.map(({ Architecture }) => Architecture))].join(', ')
  const instead = others === '' ? '' : `: those of that name are for ${others}`
  const what = `account ${owner} has no AMI ${name} for ${arch} in ${region}${instead}`
  const filters = quoteWord(`Name=name,Values=${name}`)
  const look = `aws ec2 describe-images --region ${region} --owners ${owner} --filters ${filters}`
  throw notFound(settings, arch, what, look)
}

/** `look` is the command that shows what there is. */
function notFound(settings: AwsSettings, arch: ArchitectureName, what: string, look: string): FactoryError {
  return new FactoryError({
    code: 'aws-base-missing',
    message: `clouds.${settings.name}.base.${arch}: ${what}`,
    hint: `Correct clouds.${settings.name}.base.${arch}; see what there is: ${look}`,
    class: 'user',
  })
}
