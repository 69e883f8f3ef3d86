/*
 * Heat maps: drawings in the page itself, which load nothing. A cell's colour is as strong as its value is large; negative ones have another colour.
 */

const CELL = { width: 26, height: 20 }
const LETTER = 7
const TOP = 24
const BOTTOM = 34

export interface HeatMap {
  readonly title: string
  /** What the columns are. */
  readonly axis: string
  readonly columns: readonly string[]
  readonly rows: readonly {
    readonly name: string
    /** Marked rows have their name in bold. */
    readonly marked?: boolean
    readonly cells: readonly { readonly value: number; readonly about: string }[]
  }[]
  /** The value that has the full colour; the largest there is when missing. */
  readonly most?: number
}

/** A heat map as SVG, rows from above, columns from the left. */
export function drawHeatMap({ title, axis, columns, rows, most: given }: HeatMap): string {
  const left = 14 + LETTER * Math.max(...rows.map((r) => r.name.length), 4)
  const width = left + columns.length * CELL.width + 8
  const height = TOP + rows.length * CELL.height + BOTTOM
  const values = rows.flatMap((r) => r.cells.map((c) => Math.abs(c.value)))
  const most = given ?? values.reduce((a, b) => Math.max(a, b), 0)
  // Not every column needs its number.
  const every = Math.ceil(columns.length / 24)
  const parts = [
    `<title>${text(title)}</title>`,
    `<text class="tick" x="${left}" y="14">${text(title)}</text>`,
    ...rows.flatMap((row, r) => [
      `<text class="tick${row.marked === true ? ' marked' : ''}" x="${left - 8}" y="${TOP + r * CELL.height + 14}" text-anchor="end">${text(row.name)}</text>`,
      ...row.cells.map(
        ({ value, about }, c) =>
          `<rect class="${value < 0 ? 'less' : 'more'}" x="${left + c * CELL.width}" y="${TOP + r * CELL.height}" width="${CELL.width - 1}" height="${CELL.height - 1}" fill-opacity="${strength(value, most)}"><title>${text(about)}</title></rect>`
      )
    ]),
    ...columns.flatMap((name, c) =>
      c % every === 0
        ? [
            `<text class="tick" x="${left + (c + 0.5) * CELL.width}" y="${TOP + rows.length * CELL.height + 14}" text-anchor="middle">${text(name)}</text>`
          ]
        : []
    ),
    `<text class="tick" x="${left}" y="${height - 4}">${text(axis)}</text>`
  ]
  return `<svg class="map" viewBox="0 0 ${width} ${height}" width="${width}" role="img">${parts.join('')}</svg>`
}

const strength = (value: number, most: number): string =>
  (most === 0 ? 0 : Math.min(1, Math.abs(value) / most)).toFixed(3)

const text = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
