import { PROPERTIES, type Property } from '../datasets/types'
import type { SettingSummary } from '../harness/scoring/types'
import { interval, percent } from './format'

/*
 * Retention curves: how much of a sequence of edits is kept, checkpoint by checkpoint. A drawing in the page itself, which loads nothing.
 */

const WIDTH = 640
const HEIGHT = 260
const LEFT = 44
const RIGHT = 96
const TOP = 12
const BOTTOM = 36

/** What the template of a run's page shows of a sequence; undefined when nothing was asked again. */
export function retentionView({ retention }: Pick<SettingSummary, 'retention'>) {
  if (retention.length === 0) return undefined
  const properties = PROPERTIES.filter((p) => retention.some((r) => r.properties[p] !== undefined))
  const rows = retention.map(({ after, properties: measured }) => ({
    after,
    cells: properties.map((p) => {
      const estimate = measured[p]?.edited
      return estimate === undefined
        ? { value: '–', interval: '' }
        : { value: percent(estimate.mean), interval: interval(estimate) }
    })
  }))
  return { properties, rows, svg: draw(retention, properties) }
}

function draw(retention: SettingSummary['retention'], properties: readonly Property[]): string {
  const ends = retention.map((r) => r.after)
  const [least, most] = [Math.log10(ends[0]!), Math.log10(ends.at(-1)!)]
  // Edits by their order of magnitude: what is lost is lost early or late.
  const x = (after: number) =>
    LEFT + (most === least ? 0.5 : (Math.log10(after) - least) / (most - least)) * (WIDTH - LEFT - RIGHT)
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${fixed(y(share))}" y2="${fixed(y(share))}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${fixed(y(share) + 4)}" text-anchor="end">${100 * share}</text>`
  )
  const ticks = ends.map(
    (after) =>
      `<text class="tick" x="${fixed(x(after))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${after}</text>`
  )
  const labels = spread(
    properties.map((property) => ({ property, at: y(retention.at(-1)!.properties[property]?.edited.mean ?? 0) }))
  )
  const curves = properties.map((property) => {
    const points = retention.flatMap(({ after, properties: measured }) => {
      const estimate = measured[property]?.edited
      return estimate === undefined ? [] : [{ after, ...estimate }]
    })
    const band = [
      ...points.map((p) => `${fixed(x(p.after))},${fixed(y(p.high))}`),
      ...[...points].reverse().map((p) => `${fixed(x(p.after))},${fixed(y(p.low))}`)
    ]
    const line = points.map((p) => `${fixed(x(p.after))},${fixed(y(p.mean))}`)
    const dots = points.map(
      (p) =>
        `<circle cx="${fixed(x(p.after))}" cy="${fixed(y(p.mean))}" r="3"><title>${property} after ${p.after}: ${percent(p.mean)} % (${interval(p)})</title></circle>`
    )
    return (
      `<g class="curve ${property}"><polygon class="band" points="${band.join(' ')}"/>` +
      `<polyline points="${line.join(' ')}"/>${dots.join('')}` +
      `<text x="${WIDTH - RIGHT + 10}" y="${fixed(labels.get(property)! + 4)}">${property}</text></g>`
    )
  })
  const axis = `<text class="tick" x="${LEFT}" y="${HEIGHT - 4}">edits in the model</text>`
  const title = `<title>Share of right answers by the number of edits in the model: ${properties.join(', ')}</title>`
  return `<svg class="retention" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${title}${grid.join('')}${ticks.join('')}${axis}${curves.join('')}</svg>`
}

/** Names at the ends of curves, apart from each other. */
function spread(labels: readonly { readonly property: Property; readonly at: number }[]): Map<Property, number> {
  const apart = 15
  const placed = new Map<Property, number>()
  let last = Number.NEGATIVE_INFINITY
  for (const { property, at } of [...labels].sort((a, b) => a.at - b.at)) {
    last = Math.max(at, last + apart)
    placed.set(property, last)
  }
  return placed
}

const fixed = (value: number): string => value.toFixed(1)
