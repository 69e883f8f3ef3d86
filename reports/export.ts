import type { ColumnSource } from 'hyparquet-writer'
import { PROPERTIES } from '../datasets/types'
import { importPackage } from '../harness/import'
import type { AnswerRow } from '../harness/results/rows'
import type { RunSummary } from '../harness/scoring/types'
import { answerRecord, resultRecords, unparse } from './csv'
import { type Cell, type LeaderboardTable, leaderboard } from './leaderboard'

/*
 * Results for papers and for other programs: tables as the leaderboard has them (Markdown, LaTeX), or a line for every setting (CSV, JSON, Parquet).
 */

const HEADER = ['Method', 'Accuracy', 'Generality', 'Portability', 'Locality', 'Time per fact']

/** How a format writes its texts and tables. */
interface Markup {
  text(plain: string): string
  cell(value: string, interval: string, best: boolean): string
  readonly none: string
  table(caption: string, header: readonly string[], families: readonly (readonly (readonly string[])[])[]): string
}

const MARKDOWN: Markup = {
  text: (plain) => plain.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|]/g, '\\$&'),
  cell: (value, interval, best) => `${best ? `**${value}**` : value} (${interval})`,
  none: '–',
  table(caption, header, families) {
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
    const rows = families.flat().map(line)
    return [caption, '', line(header), `| --- |${' ---: |'.repeat(header.length - 1)}`, ...rows].join('\n')
  }
}

const LATEX_TEXT: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '–': '--',
  '−': '$-$'
}

const latexText = (plain: string): string =>
  plain.replace(/\s+/g, ' ').replace(/[\\~^–−&%$#_{}]/g, (c) => LATEX_TEXT[c] ?? `\\${c}`)

/** Needs the package booktabs. */
const LATEX: Markup = {
  text: latexText,
  cell: (value, interval, best) =>
    `${best ? `\\textbf{${latexText(value)}}` : latexText(value)} {\\scriptsize (${latexText(interval)})}`,
  none: '--',
  table(caption, header, families) {
    const line = (cells: readonly string[]) => `${cells.join(' & ')} \\\\`
    return [
      '\\begin{table}',
      '\\centering',
      `\\caption{${caption}}`,
      `\\begin{tabular}{l${'r'.repeat(header.length - 1)}}`,
      '\\toprule',
      line(header),
      ...families.flatMap((rows) => ['\\midrule', ...rows.map(line)]),
      '\\bottomrule',
      '\\end{tabular}',
      '\\end{table}'
    ].join('\n')
  }
}

/** The leaderboard of some runs as tables of text, the best of each column in bold. */
function tablesIn(markup: Markup, runs: readonly RunSummary[]): string {
  return `${leaderboard(runs)
    .map((table) => tableIn(markup, table))
    .join('\n\n')}\n`
}

function tableIn(markup: Markup, { model, datasetTitle, about, families }: LeaderboardTable): string {
  const rows = families.flatMap((f) => f.rows)
  const best = PROPERTIES.map((_, column) => bestOf(rows.map((row) => row.cells[column]!)))
  const cell = (c: Cell, column: number) =>
    c.measured ? markup.cell(c.value!, c.interval!, c.value === best[column]) : markup.none
  const name = ({ label, differs }: { label: string; differs: string }) =>
    markup.text(differs === '' ? label : `${label} (${differs})`)
  const groups = families.map((f) => f.rows.map((row) => [name(row), ...row.cells.map(cell), markup.text(row.ms)]))
  // Methods that lost cases may have been asked less, of a model that knew more or less of the rest.
  const bases = new Set(rows.map((row) => JSON.stringify(row.cells.map((c) => c.base ?? null))))
  const [base] = rows
  const unedited = base!.cells.map((c) => (c.measured ? markup.text(c.base!) : markup.none))
  const last = bases.size === 1 ? [[[markup.text('unedited model'), ...unedited, markup.none]]] : []
  const what = 'exact match in percent with 95 % intervals, the best of each column in bold'
  const caption = markup.text(`${model} on ${datasetTitle} (${about}): ${what}`)
  return markup.table(caption, HEADER, [...groups, ...last])
}

/** The highest number as it is shown, of those that have another to be compared with. */
function bestOf(cells: readonly Cell[]): string | undefined {
  const values = cells.flatMap((c) => c.value ?? [])
  if (values.length < 2) return undefined
  return values.reduce((a, b) => (Number(b.replace('−', '-')) > Number(a.replace('−', '-')) ? b : a))
}

/** A table for other programs. */
type Records = readonly Readonly<Record<string, unknown>>[]

/** @returns the bytes of a Parquet file; whatever is missing is null */
async function parquetOf(records: Records): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await importPackage<typeof import('hyparquet-writer')>('hyparquet-writer')
  const names = Object.keys(records[0] ?? {})
  const columnData = names.map((name): ColumnSource => {
    const data = records.map((record) => record[name] ?? null)
    return { name, data, type: PARQUET_TYPES[typeof data.find((value) => value !== null)] ?? 'DOUBLE' }
  })
  return new Uint8Array(parquetWriteBuffer({ columnData }))
}

const PARQUET_TYPES: Readonly<Record<string, 'STRING' | 'BOOLEAN'>> = { string: 'STRING', boolean: 'BOOLEAN' }

export type Format = 'markdown' | 'latex' | 'csv' | 'json' | 'parquet'

/** File endings by which a format is known. */
export const ENDINGS: Readonly<Record<string, Format>> = {
  ...{ '.md': 'markdown', '.tex': 'latex', '.csv': 'csv', '.json': 'json', '.parquet': 'parquet' }
}

/** Results of some runs in a format. */
export async function exportResults(format: Format, runs: readonly RunSummary[]): Promise<string | Uint8Array> {
  if (format === 'markdown') return tablesIn(MARKDOWN, runs)
  if (format === 'latex') return tablesIn(LATEX, runs)
  if (format === 'json') return `${JSON.stringify(runs, null, 2)}\n`
  return exportRecords(format, resultRecords(runs))
}

/** Every answer of some runs; formats for reading have no place for them. */
export async function exportAnswers(
  format: Exclude<Format, 'markdown' | 'latex'>,
  answers: readonly { readonly run: string; readonly rows: readonly AnswerRow[] }[]
): Promise<string | Uint8Array> {
  if (format === 'json')
    return `${JSON.stringify(answers.flatMap(({ run, rows }) => rows.map((row) => ({ run, ...row }))))}\n`
  return exportRecords(
    format,
    answers.flatMap(({ run, rows }) => rows.map((row) => ({ run, ...answerRecord(row) })))
  )
}

const exportRecords = async (format: 'csv' | 'parquet', records: Records): Promise<string | Uint8Array> =>
  format === 'csv' ? unparse(records, true) : parquetOf(records)
