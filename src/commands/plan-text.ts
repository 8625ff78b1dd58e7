import { formatPrices } from '#src/cost.ts'
import type { PlannedMachine } from '#src/release/machines.ts'
import type { Plan } from '#src/release/plan.ts'
import type { PlannedCosts } from '#src/release/planned-costs.ts'
import { table } from '#src/ui/table.ts'

/** A plan for people: the key with what it stands for, what is built and why, and what that needs and costs. */
export function planText(planned: Plan): string {
  const inputs = planned.inputs.bases.map(({ reference, digest }) => `  ${reference} is ${digest}\n`).join('')
  const key = `Release key ${planned.key}\n${inputs}`
  if (planned.nothingChanged) return `${key}Nothing to do: ${planned.nothingChanged.why}.\n`
  const builds = planned.builds.map(({ arch, needed, formats, why }) => [
    arch,
    needed ? 'build' : 'keep',
    formats.join('+'),
    planned.unpublished
      .filter((destination) => destination.arch === arch)
      .map(
        ({ cloud, region, format, verify }) =>
          `${cloud}/${region} ${format}${verify ? '' : ' (not verified)'}`,
      )
      .join(', '),
    why,
  ])
  const { costs } = planned
  const machines = planned.machines.map((machine) => [
    machine.arch,
    machine.purpose,
    machine.cost,
    ...(costs ? [priceText(machine)] : []),
  ])
  return [
    key,
    table(['ARCH', 'DO', 'FORMATS', 'PUBLISH TO', 'WHY'], builds),
    table(['ARCH', 'FOR', 'MACHINES', ...(costs ? ['AT MOST'] : [])], machines),
    ...(costs ? [costsText(planned, costs)] : []),
  ].join('\n')
}

function priceText({ atMost, notPriced }: PlannedMachine): string {
  const known = atMost.length > 0 ? [formatPrices(atMost)] : []
  return [...known, ...(notPriced.length > 0 ? ['not known'] : [])].join(' or ')
}

function costsText({ machines, destinations }: Plan, costs: PlannedCosts): string {
  const partly = machines.some(({ notPriced }) => notPriced.length > 0) ? ' of what has a price,' : ''
  const hours =
    costs.machines.length > 0 ? `at most ${formatPrices(costs.machines)}${partly}${beside}` : 'not known'
  const month =
    costs.storageMonth.length > 0 ? `about ${formatPrices(costs.storageMonth)} a month` : 'not known'
  return [
    `Machines: ${machines.length > 0 ? hours : 'none'}.\n`,
    `Images: ${destinations.length > 0 ? month : 'none'}.\n`,
    ...costs.notCounted.map((what) => `Not counted: ${what}.\n`),
  ].join('')
}

const beside = ' without their volumes, and once more for each that is lost'
