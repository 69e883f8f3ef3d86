/*
 * Line charts: drawings in the page itself, which load nothing. Places are shares of the width from the left and of the height from below.
 */

const WIDTH = 640
const HEIGHT = 260
const LEFT = 44
/** At least so much, and about so much a letter, for names at the ends of lines. */
const RIGHT = 96
const LETTER = 6.5
const TOP = 12
const BOTTOM = 36
/** Between names at the ends of lines. */
const APART = 15

export interface ChartLine {
  /** Also its class, which has a colour: `locality, same-last-part` is `locality-same-last-part`. */
  readonly name: string
  readonly points: readonly {
    readonly x: number
    readonly y: number
    readonly low?: number
    readonly high?: number
    readonly about: string
    /** Drawn as one that is wrong. */
    readonly bad?: boolean
  }[]
}

export interface Chart {
  readonly title: string
  /** What is from left to right. */
  readonly axis: string
  readonly ticks: readonly { readonly x: number; readonly text: string }[]
  readonly grid: readonly { readonly y: number; readonly text: string }[]
  /** Vertical lines. */
  readonly marks?: readonly { readonly x: number; readonly about: string }[]
  readonly lines: readonly ChartLine[]
}

/** Shares in percent. */
export const SHARES_GRID: Chart['grid'] = [0, 0.25, 0.5, 0.75, 1].map((y) => ({ y, text: String(100 * y) }))

/** A chart as SVG. */
export function drawChart({ title, axis, ticks, grid, marks = [], lines }: Chart): string {
  const drawn = lines.filter((line) => line.points.length > 0)
  const end = WIDTH - Math.max(RIGHT, 14 + LETTER * Math.max(...drawn.map((line) => line.name.length)))
  const right = (x: number) => LEFT + x * (end - LEFT)
  const ends = spread(drawn.map((line) => ({ name: line.name, at: down(line.points.at(-1)!.y) })))
  const parts = [
    `<title>${text(title)}</title>`,
    ...grid.map(
      ({ y, text: label }) =>
        `<line class="grid" x1="${LEFT}" x2="${fixed(end)}" y1="${fixed(down(y))}" y2="${fixed(down(y))}"/>` +
        `<text class="tick" x="${LEFT - 8}" y="${fixed(down(y) + 4)}" text-anchor="end">${text(label)}</text>`
    ),
    ...ticks.map(
      ({ x, text: label }) =>
        `<text class="tick" x="${fixed(right(x))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${text(label)}</text>`
    ),
    `<text class="tick" x="${LEFT}" y="${HEIGHT - 4}">${text(axis)}</text>`,
    ...marks.map(
      ({ x, about }) =>
        `<line class="mark" x1="${fixed(right(x))}" x2="${fixed(right(x))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"><title>${text(about)}</title></line>`
    ),
    ...drawn.map((line) => drawLine(line, right, { x: end, y: ends.get(line.name)! }))
  ]
  return `<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${parts.join('')}</svg>`
}

const down = (y: number): number => TOP + (1 - y) * (HEIGHT - TOP - BOTTOM)

function drawLine(
  { name, points }: ChartLine,
  right: (x: number) => number,
  end: { readonly x: number; readonly y: number }
): string {
  const corner = (x: number, y: number) => `${fixed(right(x))},${fixed(down(y))}`
  const band = points.flatMap(({ x, low, high }) => (low === undefined || high === undefined ? [] : [{ x, low, high }]))
  const corners = [...band.map((p) => corner(p.x, p.high)), ...[...band].reverse().map((p) => corner(p.x, p.low))]
  const dots = points.map(
    ({ x, y, about, bad }) =>
      `<circle${bad === true ? ' class="bad"' : ''} cx="${fixed(right(x))}" cy="${fixed(down(y))}" r="3"><title>${text(about)}</title></circle>`
  )
  return (
    `<g class="curve ${name.replace(/[^\w-]+/g, '-')}">${band.length > 0 ? `<polygon class="band" points="${corners.join(' ')}"/>` : ''}` +
    `<polyline points="${points.map((p) => corner(p.x, p.y)).join(' ')}"/>${dots.join('')}` +
    `<text x="${fixed(end.x + 10)}" y="${fixed(end.y + 4)}">${text(name)}</text></g>`
  )
}

/** Names at the ends of lines, apart from each other. */
function spread(labels: readonly { readonly name: string; readonly at: number }[]): Map<string, number> {
  const placed = new Map<string, number>()
  let last = Number.NEGATIVE_INFINITY
  for (const { name, at } of [...labels].sort((a, b) => a.at - b.at)) {
    last = Math.max(at, last + APART)
    placed.set(name, last)
  }
  return placed
}

const fixed = (value: number): string => value.toFixed(1)

const text = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
