import { basename, dirname } from 'node:path'
import { findSubject } from '../harness/edit'
import { UserError } from '../harness/errors'
import { DATASETS } from '.'
import { jsonElements } from './json-stream'
import { matches } from './records'
import { fromTable } from './tables'
import {
  type Dataset,
  type EditCase,
  type LayoutKeys,
  listsOf,
  PROPERTIES,
  type Property,
  type SkippedRecord
} from './types'

/** What may be wrong with records, in the order in which it is told. */
export const FINDINGS = {
  malformed: 'records that are malformed',
  'no-edit': 'edits that change nothing',
  conflict: 'edits of one fact to different answers: in a batch or a sequence one undoes the other',
  duplicate: 'records that edit the same as another one',
  'same-id': 'records that share their number with another one',
  'no-question': 'records without any question of a property that most have',
  'empty-probe': 'questions without words',
  'subject-missing': 'questions about the edit that do not name its subject',
  'leading-space': 'texts with spaces before or after them, where most records have none'
} as const
export type FindingKind = keyof typeof FINDINGS

export interface Finding {
  readonly kind: FindingKind
  /** Line of the file where the record begins, from 1. */
  readonly line: number
  readonly message: string
}

export interface DataReport {
  readonly file: string
  readonly dataset: string
  readonly layout: string
  readonly records: number
  readonly cases: number
  readonly edits: number
  /** Questions by `property/kind`. */
  readonly questions: Readonly<Record<string, number>>
  /** Distinct subjects. */
  readonly subjects: number
  readonly findings: readonly Finding[]
}

export interface CheckOptions {
  /** Told instead of found out. */
  readonly dataset?: Dataset
  readonly onProgress?: (bytes: number, total: number) => void
}

/**
 * Reads a data file whole and says what is in it and what may be wrong with it.
 * @throws UserError when it cannot be read, or is of no layout: then with the nearest one and what it lacks
 */
export async function checkData(file: string, options: CheckOptions = {}): Promise<DataReport> {
  const reports = fromTable(file, async function* (records) {
    yield await checkRecords(records, file, options)
  })
  for await (const report of reports) return { ...report, file }
  throw new Error('a file has one report')
}

async function checkRecords(
  file: string,
  source: string,
  { dataset: told, onProgress }: CheckOptions
): Promise<DataReport> {
  const first = firstRecord(file)
  const { dataset, layout } = layoutOf(file, first, told)
  const check = new Check()
  const raw = readRaw(file, layout.lists ?? [], check)
  const skipped: SkippedRecord[] = []
  const options = {
    onBadRecord: 'skip',
    seed: 0,
    near: dirname(source),
    onSkip: (s: SkippedRecord) => void skipped.push(s),
    ...(onProgress === undefined ? {} : { onProgress })
  } as const
  for await (const editCase of dataset.load(file, options)) check.add(editCase)
  for (const { kind, line, reason } of skipped) check.find(kind === 'malformed' ? 'malformed' : 'no-edit', line, reason)
  return { file, dataset: dataset.name, layout: layout.name, records: raw, ...check.report() }
}

interface FirstRecord {
  readonly value: unknown
  readonly line: number
  readonly list: string | undefined
}

function firstRecord(file: string): FirstRecord {
  for (const { text, line, list } of jsonElements(file, { lists: listsOf(DATASETS.flatMap((d) => d.layouts)) })) {
    try {
      return { value: JSON.parse(text), line, list }
    } catch (error) {
      throw new UserError(`not JSON: ${(error as Error).message}`, {
        place: `${file}:${line}`,
        hint: 'expected is a JSON array of records, or a record a line (JSON Lines)'
      })
    }
  }
  throw new UserError('the file holds no record', { place: file })
}

/** The layout whose keys a record has; of several the one that asks for most. */
function layoutOf(file: string, { value, line, list }: FirstRecord, told: Dataset | undefined) {
  const candidates = (told === undefined ? DATASETS : [told]).flatMap((dataset) =>
    dataset.layouts.map((layout) => ({ dataset, layout }))
  )
  if (candidates.length === 0)
    throw new UserError(`${told?.title ?? 'this dataset'} has no layout of its own`, {
      place: file,
      hint: 'a config says which column is what: `bench check CONFIG` reads it'
    })
  const fit = candidates
    .filter(({ layout }) => matches(value, layout, list))
    .sort((a, b) => b.layout.keys.length - a.layout.keys.length)[0]
  if (fit !== undefined) return fit
  const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
  const missing = ({ layout }: { layout: LayoutKeys }) => layout.keys.filter((k) => !keys.includes(k))
  const share = (c: (typeof candidates)[number]) => missing(c).length / c.layout.keys.length
  const nearest = [...candidates].sort((a, b) => share(a) - share(b))[0]!
  throw new UserError(
    keys.length === 0
      ? 'its records have no keys'
      : `records with the keys ${keys.slice(0, 12).join(', ')} are of no known layout`,
    {
      place: `${file}:${line}`,
      hint: `the nearest is ${nearest.layout.name} of ${nearest.dataset.title}, missing here: ${missing(nearest).join(', ')}`
    }
  )
}

/** Counts records, and the texts of each key that begin or end with a space. */
function readRaw(file: string, lists: readonly string[], check: Check): number {
  let records = 0
  const spaced = new Map<string, { texts: number; lines: number[] }>()
  const look = (value: unknown, key: string, line: number): void => {
    if (typeof value === 'string') {
      const at = spaced.get(key) ?? { texts: 0, lines: [] }
      spaced.set(key, at)
      at.texts++
      if (value !== '' && value !== value.trim()) at.lines.push(line)
    } else if (Array.isArray(value)) for (const v of value) look(v, key, line)
    else if (typeof value === 'object' && value !== null)
      for (const [k, v] of Object.entries(value)) look(v, key === '' ? k : `${key}.${k}`, line)
  }
  for (const { text, line } of jsonElements(file, { lists })) {
    records++
    try {
      look(JSON.parse(text), '', line)
    } catch {
      // The loader names it.
    }
  }
  // Where most have them they belong to the format.
  for (const [key, { texts, lines }] of spaced)
    if (lines.length < texts / 2) for (const line of new Set(lines)) check.find('leading-space', line, `'${key}'`)
  return records
}

const normal = (text: string): string => text.normalize('NFC').trim().replace(/\s+/g, ' ')

class Check {
  readonly #findings: Finding[] = []
  readonly #targets = new Map<string, { target: string; id: string }>()
  readonly #edited = new Map<string, string>()
  readonly #ids = new Map<string, number>()
  readonly #subjects = new Set<string>()
  readonly #questions: Record<string, number> = {}
  /** Lines of the records without a question of a property. */
  readonly #without = new Map<Property, number[]>(PROPERTIES.map((p) => [p, []]))
  #cases = 0
  #edits = 0

  find(kind: FindingKind, line: number, message: string): void {
    this.#findings.push({ kind, line, message })
  }

  add({ id, requests, probes, place }: EditCase): void {
    const line = Number(place.slice(place.lastIndexOf(':') + 1))
    this.#cases++
    const earlier = this.#ids.get(id)
    if (earlier !== undefined) this.find('same-id', line, `${id}, as in line ${earlier}`)
    else this.#ids.set(id, line)
    const facts: string[] = []
    for (const { prompt, subject, subjectAt = findSubject(prompt, subject), target } of requests) {
      this.#edits++
      const name = normal(subject).toLowerCase()
      this.#subjects.add(name)
      const at = subjectAt ?? 0
      // A fact is its subject and its prompt without it.
      const fact = `${name}\n${normal(`${prompt.slice(0, at)}{}${prompt.slice(at + subject.length)}`)}`
      facts.push(`${fact}\n${normal(target)}`)
      const known = this.#targets.get(fact)
      if (known === undefined) this.#targets.set(fact, { target: normal(target), id })
      else if (known.target !== normal(target))
        this.find('conflict', line, `${id}: '${prompt}' → '${target}', ${known.id}: → '${known.target}'`)
    }
    // Instances of several edits share some: only the same edits altogether are the same record.
    const edits = facts.sort().join('\n')
    const twin = this.#edited.get(edits)
    if (twin === undefined) this.#edited.set(edits, id)
    else this.find('duplicate', line, `${id} as ${twin}: '${requests[0].prompt}'`)
    const has = new Set<Property>()
    for (const { property, kind, prompt } of probes) {
      has.add(property)
      const name = `${property}/${kind}`
      this.#questions[name] = (this.#questions[name] ?? 0) + 1
      if (prompt.trim() === '') this.find('empty-probe', line, `${id}: ${name}`)
      else if (property === 'accuracy' || property === 'generality') this.#names(id, prompt, requests, line)
    }
    for (const property of PROPERTIES) if (!has.has(property)) this.#without.get(property)!.push(line)
  }

  /** A question about the edit names its subject: one that does not is about something else, or in other words. */
  #names(id: string, prompt: string, requests: EditCase['requests'], line: number): void {
    const asked = normal(prompt).toLowerCase()
    if (requests.some(({ subject }) => asked.includes(normal(subject).toLowerCase()))) return
    this.find('subject-missing', line, `${id}: '${prompt.slice(0, 100)}' about '${requests[0].subject}'`)
  }

  report(): Pick<DataReport, 'cases' | 'edits' | 'questions' | 'subjects' | 'findings'> {
    // What most lack is not asked in this kind of data.
    for (const [property, lines] of this.#without)
      if (lines.length < this.#cases / 2) for (const line of lines) this.find('no-question', line, property)
    const order = Object.keys(FINDINGS)
    const findings = this.#findings.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.line - b.line)
    return {
      cases: this.#cases,
      edits: this.#edits,
      questions: this.#questions,
      subjects: this.#subjects.size,
      findings
    }
  }
}

/** `zsre.json: zsRE, MEND's layout`. */
export const titleOf = ({ file, dataset, layout }: DataReport): string =>
  `${basename(file)}: ${DATASETS.find((d) => d.name === dataset)?.title ?? dataset}, ${layout}`
