import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UserError } from '../harness/errors'
import { findDataset } from '.'
import { checkData, type FindingKind } from './check'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-check-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const sample = (file: string) => JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as { [key: string]: unknown }[]
const zsre = sample('zsre/sample/zsre.json')
const mquake = sample('mquake/sample/mquake.json')

const check = (records: unknown, dataset?: string) => {
  const file = join(dir, 'data.json')
  writeFileSync(file, typeof records === 'string' ? records : JSON.stringify(records, null, 1))
  return checkData(file, dataset === undefined ? {} : { dataset: findDataset(dataset) })
}
const found = async (records: unknown) =>
  (await check(records)).findings.map(({ kind, line, message }) => [kind, line, message] as const)
const kinds = async (records: unknown): Promise<FindingKind[]> => (await check(records)).findings.map((f) => f.kind)

it.each([
  ['zsre', 'zsre/sample/zsre.json', "MEND's layout"],
  ['zsre', 'zsre/sample/knowedit.json', "KnowEdit's ZsRE"],
  ['counterfact', 'counterfact/sample/nested.json', "kmeng01/rome's nested layout"],
  ['counterfact', 'counterfact/sample/flat.json', "EasyEdit's flat layout"],
  ['mquake', 'mquake/sample/mquake.json', "princeton-nlp/MQuAKE's layout"],
  ['mquake', 'mquake/sample/remastered.json', 'the rows of MQuAKE-Remastered on Hugging Face'],
  ['hallucination', 'hallucination/sample/wise.json', "WISE's layout"],
  ['hallucination', 'hallucination/sample/knowedit.json', "KnowEdit's WikiBio"],
  ['convsent', 'convsent/sample/convsent.json', "SERAC's layout"],
  ['wikidata-recent', 'wikidata/sample/recent.json', "KnowEdit's recent"],
  ['wikidata-counterfact', 'wikidata/sample/counterfact.json', "KnowEdit's counterfact"],
  ['qaedit', 'qaedit/sample/qaedit.json', "QAEdit's records"],
  ['wikibigedit', 'wikibigedit/sample/wikibigedit.json', "WikiBigEdit's records"],
  ['conflictedit', 'conflictedit/sample/conflictedit.json', "ConflictEdit's records"],
  ['roundedit', 'conflictedit/sample/roundedit.json', "RoundEdit's records"],
  ['mmedit', 'mmedit/sample/vqa.json', "MMEdit's records"],
  ['known', 'known/sample/known.json', 'known_1000.json of kmeng01/rome']
])('knows %s from %s', async (dataset, file, layout) => {
  const records = sample(file)
  expect(await check(records)).toMatchObject({ dataset, layout, records: records.length, cases: records.length })
})

it.each([
  ['ecbd', 'ecbd/sample/ecbd.jsonl', "ECBD's records", 3, 3],
  ['nq-situatedqa', 'nq/sample/situatedqa.jsonl', "SituatedQA's lines", 3, 3],
  ['nq-situatedqa', 'nq/sample/nq.json', "CaliNet's Natural Questions", 3, 3],
  ['sanitation', 'sanitation/sample/test.json', "KnowEdit's Sanitation", 1, 1],
  ['sanitation', 'sanitation/sample/train.json', "KnowEdit's Sanitation", 1, 1],
  ['t-rex', 'trex/sample/facts.csv', "CaliNet's facts", 2, 2],
  ['fever', 'classes/sample/fever.jsonl', "KnowledgeEditor's FEVER", 3, 2],
  ['vitaminc', 'classes/sample/vitaminc.jsonl', "VitaminC's lines", 5, 3],
  ['scotus', 'classes/sample/scotus.jsonl', "GRACE's opinions", 3, 3],
  ['bias-in-bios', 'classes/sample/bias-in-bios.jsonl', "REMEDI's biographies", 3, 3],
  ['rippleedits', 'rippleedits/sample/popular.json', "RippleEdits' records", 1, 1],
  ['wikigen', 'wikigen/sample/train.jsonl', "MEND's columns", 1, 2]
])('knows %s from %s', async (dataset, file, layout, records, cases) => {
  expect(await checkData(join(__dirname, file))).toMatchObject({ dataset, layout, records, cases })
})

it('counts what is in a file: records, edits, subjects and questions', async () => {
  const { records, cases, edits, subjects, questions } = await check(mquake)
  expect({ records, cases, edits, questions }).toEqual({
    records: 2,
    cases: 2,
    edits: 3,
    questions: { 'accuracy/rewrite': 3, 'portability/multi-hop': 6, 'locality/hop': 1 }
  })
  expect(subjects).toBe(3)
})

it('finds nothing in a clean file', async () => expect(await kinds(zsre)).toEqual([]))

it('names edits that change nothing, and records that are malformed, with their lines', async () => {
  const [a, b, c] = zsre
  const line = JSON.stringify([a], null, 1).split('\n').length
  const all = await found([a, { ...b, alt: (b!.answers as string[])[0] }, { ...c, subject: 'Nobody' }])
  expect(all[0]).toEqual(['malformed', expect.any(Number), expect.stringContaining("the subject 'Nobody' is not in")])
  expect(all[1]).toEqual(['no-edit', line, expect.stringContaining('is the old one')])
})

it('tells edits of one fact to two answers from the same record twice', async () => {
  const [a] = zsre
  expect(await kinds([a, { ...a, alt: `Another ${a!.alt}` }])).toEqual(['conflict'])
  expect(await kinds([a, { ...a, src: ` ${a!.src} `, rephrase: a!.rephrase }])).toContain('duplicate')
  // Subjects are compared without case, prompts are not.
  const shouted = {
    ...a,
    subject: String(a!.subject).toUpperCase(),
    src: String(a!.src).replace(String(a!.subject), (s) => s.toUpperCase())
  }
  expect(await kinds([a, { ...shouted, alt: 'Another' }])).toContain('conflict')
})

it('lets instances share edits, but names the ones that are the same', async () => {
  const [one, both] = mquake
  expect(
    await kinds([
      one,
      {
        ...one,
        case_id: 77,
        requested_rewrite: [...(one!.requested_rewrite as []), ...(both!.requested_rewrite as [])]
      }
    ])
  ).toEqual([])
  expect(await kinds([one, { ...one, case_id: 77 }])).toEqual(['duplicate'])
  expect(await kinds([one, both, { ...both, case_id: one!.case_id }])).toContain('same-id')
})

it('names records that lack what most have, and questions about somebody else', async () => {
  const [a, b, c] = zsre
  expect(await found([a, { ...b, loc: '' }, c])).toEqual([['no-question', expect.any(Number), 'locality']])
  expect(await found([a, { ...b, rephrase: 'Who is somebody else?' }])).toEqual([
    ['subject-missing', expect.any(Number), expect.stringContaining("'Who is somebody else?' about")]
  ])
})

it('names texts with spaces around them, but not where the format has them', async () => {
  const [a, b, c] = zsre
  expect(await found([a, { ...b, alt: ` ${b!.alt}` }, c])).toEqual([['leading-space', expect.any(Number), "'alt'"]])
  expect(await kinds(sample('convsent/sample/convsent.json'))).toEqual([])
})

it('says which layout is nearest, and what is missing for it', async () => {
  const complaint = async (records: unknown, dataset?: string) =>
    check(records, dataset).then(
      () => 'nothing was wrong',
      (error) => (error as UserError).format().replaceAll(`${dir}/`, '')
    )
  const { alt: _, ...without } = zsre[0]!
  expect(await complaint([without])).toMatch(
    /^data\.json:2: records with the keys .* are of no known layout\n.*the nearest is MEND's layout of zsRE, missing here: alt/
  )
  expect(await complaint(zsre, 'convsent')).toMatch(
    /the nearest is SERAC's layout of ConvSent, missing here: ent, pos, neg/
  )
  expect(await complaint([1, 2])).toMatch(/its records have no keys/)
  expect(await complaint('[]')).toMatch(/the file holds no record/)
  expect(await complaint('{"a": ')).toMatch(/not JSON/)
})
