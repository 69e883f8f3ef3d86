import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { escaped } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import { datasetOfFiles, fileLayout } from '../from-files'
import { poolOf } from '../pool'
import { Unusable } from '../records'
import type { Continued, Probe } from '../types'

const text = z.string().trim().min(1)

/** A fact of T-REx with a gap for its object (dqxiu/CaliNet, cka/assess_1000_46/score_cmp.csv). */
const record = z.object({ id: z.union([z.string(), z.number()]), relation: text, fact: text, answer: text })

/** A relation: its template, and three that say something else (cka/relations.jsonl). */
const relation = z.object({ relation: text, template: text, wrong: z.array(text).default([]) })
type Relation = z.output<typeof relation>

const pattern = z.object({ pattern: text })

const switches = z.strictObject({
  relations: text
    .optional()
    .describe(
      'relations.jsonl of dqxiu/CaliNet, relative to the data file: subjects, and the wrong relations of its assessment'
    ),
  patterns: text
    .optional()
    .describe("Folder of ParaRel's patterns, P19.jsonl …, relative to the data file: paraphrases")
})

interface Words {
  readonly relations: ReadonlyMap<string, Relation>
  readonly patterns: string | undefined
}

const GAP = '<extra_id_0>'

/** A template up to its object, with the subject filled in; undefined where something else comes first. */
function upToObject(template: string, subject: string): string | undefined {
  const [x, y] = [template.indexOf('[X]'), template.indexOf('[Y]')]
  if (x < 0 || y < x) return undefined
  return template
    .slice(0, y)
    .replace('[X]', () => subject)
    .trim()
}

/** The subject of a fact that is its relation's template filled in. */
function subjectOf(fact: string, { template }: Relation): string | undefined {
  const [before, after] = template.split('[X]') as [string, string]
  const literally = (t: string) => escaped(t.trim())
  const rest = after
    .split('[Y]')
    .map(literally)
    .join(`\\s*${literally(GAP)}\\s*`)
  return new RegExp(`^${literally(before)}\\s*(.+?)\\s*${rest}$`).exec(fact.trim())?.[1]
}

export const trex = datasetOfFiles(
  {
    name: 't-rex',
    title: 'T-REx',
    source: 'Elsahar et al. 2018; as calibrated by Dong et al. 2022, arXiv 2210.03329 (CaliNet)',
    license: 'CC BY-SA 4.0 (T-REx); not stated (CaliNet)',
    measures: ['cka']
  },
  'github.com/dqxiu/CaliNet, cka',
  [
    fileLayout({
      name: "CaliNet's facts",
      keys: ['id', 'relation', 'fact', 'answer'],
      schema: record,
      toCase(r, _, { relations, patterns }: Words) {
        const at = r.fact.indexOf(GAP)
        if (at < 0) return new Unusable('malformed', `'fact' has no ${GAP}: '${r.fact}'`)
        const prompt = r.fact.slice(0, at).trim()
        if (prompt === '') return new Unusable('malformed', `nothing stands before the gap: '${r.fact}'`)
        const own = relations.get(r.relation)
        const subject = own && subjectOf(r.fact, own)
        const wrong = subject === undefined ? [] : own!.wrong.flatMap((t) => upToObject(t, subject) ?? [])
        const said = (p: string): Continued => ({ prompt: p, text: r.answer })
        const others = wrong.map(said)
        const paraphrases =
          subject === undefined || patterns === undefined ? [] : paraphrasesOf(patterns, r.relation, subject, prompt)
        const ask = (property: 'accuracy' | 'generality', p: string): Probe => ({
          property,
          kind: 'calibrated',
          prompt: p,
          expected: [r.answer],
          ...(others.length === 0 ? {} : { sides: { wanted: [said(p)], other: others } })
        })
        return {
          id: `t-rex-${r.relation}-${r.id}`,
          requests: [{ prompt, subject: subject ?? prompt, target: r.answer }],
          probes: [ask('accuracy', prompt), ...paraphrases.map((p) => ask('generality', p))]
        }
      }
    })
  ],
  switches,
  ({ relations, patterns }, { near }): Words => ({
    relations: relations === undefined ? new Map() : relationsIn(resolve(near, relations)),
    patterns: patterns === undefined ? undefined : folder(resolve(near, patterns))
  })
)

function relationsIn(file: string): Map<string, Relation> {
  const found = poolOf(file, relation, (r) => [r])
  if (found.length === 0)
    throw new UserError('no relations in this file', {
      place: file,
      hint: "expected is CaliNet's relations.jsonl: relation, template, wrong"
    })
  return new Map(found.map((r) => [r.relation, r]))
}

function folder(path: string): string {
  if (!existsSync(path)) throw new UserError('no such folder of patterns', { place: path })
  return path
}

const read = new Map<string, readonly string[]>()

/** The same fact in ParaRel's other words, where the object comes last. */
function paraphrasesOf(patterns: string, name: string, subject: string, prompt: string): string[] {
  const file = join(patterns, `${name}.jsonl`)
  if (!read.has(file)) read.set(file, existsSync(file) ? patternsIn(file) : [])
  const filled = read.get(file)!.flatMap((t) => upToObject(t, subject) ?? [])
  return [...new Set(filled)].filter((p) => p !== prompt)
}

const patternsIn = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => pattern.parse(JSON.parse(line)).pattern)
