import { inUnit } from '../terminal'
import type { Comparison, EfficiencyComparison, Flip, PropertyComparison } from './compare'

/* How a comparison reads: cells of its tables, for terminals, Markdown and pages alike. */

export const PROPERTY_HEADER = [
  'setting',
  'property',
  'base',
  'run',
  'difference',
  '95 %',
  'lost',
  'won',
  'p',
  'verdict'
]

const shown = (value: number, unit: PropertyComparison['unit']): string => inUnit(unit, value)

const signed = (value: number, unit: PropertyComparison['unit']): string =>
  `${value > 0 ? '+' : ''}${shown(value, unit)}`

/** `locality`; `locality, same-last-part`; `accuracy, PPL`. */
export const lineName = ({
  property,
  kind,
  measure
}: Pick<PropertyComparison, 'property' | 'kind' | 'measure'>): string =>
  [property, kind, measure].filter((name) => name !== null).join(', ')

export function propertyCells(c: PropertyComparison): string[] {
  const name = `${c.label} on ${c.model}, ${c.dataset}${c.protocol === 'single' ? '' : `, ${c.protocol}`}`
  if (c.difference === null || c.base === null || c.run === null)
    return [name, '', '', '', '', '', '', '', '', `${c.verdict}: ${c.note ?? ''}`]
  const { mean, low, high } = c.difference
  return [
    name,
    lineName(c),
    shown(c.base, c.unit),
    shown(c.run, c.unit),
    signed(mean, c.unit),
    `${signed(low, c.unit)} to ${signed(high, c.unit)}`,
    String(c.lost),
    String(c.won),
    c.adjustedP! < 0.001 ? '<0.001' : c.adjustedP!.toFixed(3),
    c.verdict
  ]
}

export const FLIP_HEADER = ['case', 'property', 'prompt', 'expected', 'base said', 'run says']

export const flipCells = ({
  setting,
  protocol,
  caseId,
  property,
  kind,
  prompt,
  expected,
  base,
  run,
  lost
}: Flip): string[] => [
  `${setting} ${caseId}${protocol.includes('asked') ? ` (${protocol.split(', ')[1]})` : ''}`,
  `${property} (${kind}) ${lost ? 'lost' : 'won'}`,
  prompt,
  expected,
  base,
  run
]

export const EFFICIENCY_HEADER = ['setting', 'what', 'ratio']
const NAMES = {
  time: 'time per fact, median',
  flops: 'matrix FLOPs per fact',
  memory: 'peak tensor memory',
  size: 'stored per edit'
}

export const efficiencyCells = ({ setting, what, ratio }: EfficiencyComparison): string[] => [
  setting,
  NAMES[what],
  `× ${ratio.toFixed(2)}`
]

/** What it comes to, in a sentence. */
export function conclusion({ verdict, properties, flipped, base, run }: Comparison): string {
  const count = (v: PropertyComparison['verdict']) => properties.filter((c) => c.verdict === v).length
  const parts = (['worse', 'better', 'same', 'not comparable'] as const).flatMap((v) =>
    count(v) > 0 ? [`${count(v)} ${v}`] : []
  )
  return `${run.id} beside ${base.id}: ${verdict} (${parts.join(', ')}); ${flipped.lost} answers lost, ${flipped.won} won`
}

/** The notes that numbers need. */
export const notes = ({ properties, efficiencyNote }: Comparison): string[] => [
  ...new Set(properties.flatMap((c) => (c.note === null || c.difference === null ? [] : [`${c.setting}: ${c.note}`]))),
  ...(efficiencyNote === null ? [] : [`efficiency is not compared: ${efficiencyNote}`])
]

/** The whole comparison as Markdown. */
export function comparisonMarkdown(comparison: Comparison): string {
  const cell = (text: string) => text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;')
  const table = (rows: readonly (readonly string[])[]) => {
    const [header, ...body] = rows.map((row) => `| ${row.map(cell).join(' | ')} |`)
    return [header, `|${' --- |'.repeat(rows[0]!.length)}`, ...body].join('\n')
  }
  const { properties, flips, flipped, efficiency } = comparison
  const all = flipped.lost + flipped.won
  return [
    `**${cell(conclusion(comparison))}**`,
    table([PROPERTY_HEADER, ...properties.map(propertyCells)]),
    ...(flips.length === 0
      ? []
      : [
          `Answers that flipped${flips.length < all ? `, the first ${flips.length} of ${all}` : ''}:`,
          table([FLIP_HEADER, ...flips.map(flipCells)])
        ]),
    ...(efficiency.length === 0 ? [] : [table([EFFICIENCY_HEADER, ...efficiency.map(efficiencyCells)])]),
    ...notes(comparison).map(cell)
  ].join('\n\n')
}
