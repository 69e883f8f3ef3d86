import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { UserError } from '../harness/errors'
import { findDataset, loadCases } from '.'
import { jsonElements } from './json-stream'
import type { EditCase, LoadOptions, Probe, SkippedRecord } from './types'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-data-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

type Record_ = { [key: string]: unknown }
const sample = (file: string) => JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as Record_[]
const nested = sample('counterfact/sample/nested.json')
const flat = sample('counterfact/sample/flat.json')
const zsre = sample('zsre/sample/zsre.json')

async function load(name: string, content: unknown, options: Partial<LoadOptions> = {}): Promise<EditCase[]> {
  const file = join(dir, 'data.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 1))
  const cases: EditCase[] = []
  for await (const c of loadCases(findDataset(name), file, { onBadRecord: 'fail', seed: 0, ...options })) cases.push(c)
  return cases
}

/** The message a user reads. */
async function complaint(name: string, content: unknown, options: Partial<LoadOptions> = {}): Promise<string> {
  try {
    await load(name, content, options)
  } catch (error) {
    if (error instanceof UserError) return error.format().replaceAll(`${dir}/`, '')
    throw error
  }
  throw new Error('nothing was wrong')
}

const kinds = (probes: readonly Probe[]) => {
  const counts: Record<string, number> = {}
  for (const { property, kind } of probes) counts[`${property}/${kind}`] = (counts[`${property}/${kind}`] ?? 0) + 1
  return counts
}

describe('CounterFact', () => {
  it('becomes rewrite, paraphrase, alias, one-hop and neighbourhood probes from the nested layout', async () => {
    const [c] = await load('counterfact', [{ ...nested[0], portability: { 'New Question': 'Q', 'New Answer': 'A' } }])
    expect(c!.requests[0]).toEqual({
      prompt: 'Jonas Fikrim gives speeches in',
      subject: 'Jonas Fikrim',
      subjectAt: 0,
      target: 'Fuish',
      previousTarget: 'Saese'
    })
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 2,
      'portability/one-hop': 1,
      'portability/subject-alias': 1,
      'locality/neighbourhood': 10
    })
    const neighbour = c!.probes.find((p) => p.kind === 'neighbourhood')!
    expect(neighbour.expected).toBe('same-as-before')
    // For a neighbour the old object must stay likelier than the new one.
    expect(neighbour.compare).toEqual({ better: 'Saese', worse: 'Fuish' })
    expect(c!.probes[0]!.compare).toEqual({ better: 'Fuish', worse: 'Saese' })
  })

  it('reads distracting neighbours and other attributions as locality', async () => {
    const [c] = await load('counterfact', [
      {
        ...nested[0],
        distracting_neighborhood_prompts: ['Jonas Fikrim speaks Fuish. Vera Gagrak speaks'],
        unrelated_relation: { question: 'Jonas Fikrim was born in', object: 'Bruton' }
      }
    ])
    expect(kinds(c!.probes)).toMatchObject({ 'locality/distractor': 1, 'locality/other-attribution': 1 })
  })

  it('reads the flat layout of EasyEdit as well', async () => {
    const [c] = await load('counterfact', flat)
    expect(kinds(c!.probes)).toEqual({ 'accuracy/rewrite': 1, 'generality/paraphrase': 1, 'locality/neighbourhood': 1 })
  })

  it('drops questions that are no portability by the book when asked to', async () => {
    const record = { ...nested[0], portability: { 'New Question': 'Q', 'New Answer': 'fuish' } }
    const [c] = await load('counterfact', [record], { options: { strict_book_portability: true } })
    expect(c!.probes.filter((p) => p.property === 'portability')).toEqual([])
  })

  it('leaves out empty prompts and trailing spaces, and puts subjects with $ in as they are', async () => {
    const rewrite = { ...(nested[0]!.requested_rewrite as Record_), subject: 'A$AP $& Rocky' }
    const [c] = await load('counterfact', [
      { ...nested[0], requested_rewrite: rewrite, paraphrase_prompts: ['', 'He speaks '], neighborhood_prompts: [] }
    ])
    expect(c!.requests[0].prompt).toBe('A$AP $& Rocky gives speeches in')
    expect(c!.probes.filter((p) => p.property === 'generality').map((p) => p.prompt)).toEqual(['He speaks'])
  })
})

describe('what a record says', () => {
  const rewrite = (change: object) => [
    { ...nested[0], requested_rewrite: { ...(nested[0]!.requested_rewrite as object), ...change } }
  ]

  it('is the same with a space after the prompt as without', async () => {
    const bare = await load('counterfact', nested.slice(0, 1))
    const { prompt } = nested[0]!.requested_rewrite as { prompt: string }
    expect(await load('counterfact', rewrite({ prompt: `${prompt} ` }))).toEqual(bare)
    expect(await load('zsre', [{ ...zsre[0], src: `${zsre[0]!.src as string} ` }])).toEqual(
      await load('zsre', zsre.slice(0, 1))
    )
  })

  it('places the subject by its slot, whatever other words hold its letters', async () => {
    const [c] = await load('counterfact', rewrite({ prompt: 'In Adanville {} speaks, Adan says,', subject: 'Ada' }))
    expect(c!.requests[0]).toMatchObject({ prompt: 'In Adanville Ada speaks, Adan says,', subjectAt: 13 })
    const [d] = await load('zsre', [{ ...zsre[0], subject: 'Ada', src: 'Does Ada live in Adanville?' }])
    expect(d!.requests[0].subjectAt).toBe(5)
  })

  it.each([
    [
      'counterfact',
      nested[0]!,
      ['portability', 'alternative_subject', 'unrelated_relation', 'distracting_neighborhood_prompts', 'case_id']
    ],
    ['counterfact', flat[0]!, ['rephrase_prompt', 'locality_prompt', 'locality_ground_truth', 'portability']],
    ['zsre', zsre[0]!, ['rephrase', 'loc', 'loc_ans', 'portability', 'inverse question', 'alter_subject_question']]
  ] as const)('null is “not there” in optional fields of %s', async (name, record, fields) => {
    const without = Object.fromEntries(
      Object.entries(record).filter(([key]) => !(fields as readonly string[]).includes(key))
    )
    const nulls = { ...record, ...Object.fromEntries(fields.map((field) => [field, null])) }
    expect(await load(name, [nulls])).toEqual(await load(name, [without]))
  })

  it('does not depend on fields nobody reads, and a number may be a text', async () => {
    const odd = { ...nested[0], case_id: '0', pararel_idx: 'x', attribute_prompts: 3, generation_prompts: null }
    expect(await load('counterfact', [odd])).toEqual(await load('counterfact', [{ ...nested[0], case_id: 0 }]))
    const [c] = await load('zsre', [{ ...zsre[0], pred: 7, cond: null, alternative_subject: 3 }])
    expect(c!.requests[0].target).toBe(zsre[0]!.alt)
  })

  it.each([
    ['counterfact', rewrite({ target_new: { str: 'Saese' }, target_true: { str: ' Saese ' } })],
    ['counterfact', [{ ...flat[0], target_new: 'x', ground_truth: 'x' }]],
    ['zsre', [{ ...zsre[0], alt: 'Caf\u00e9', answers: ['Cafe\u0301'] }]]
  ])(
    'that changes nothing is no edit of %s: named and counted, even where records must be whole',
    async (name, record) => {
      const skipped: SkippedRecord[] = []
      const good = name === 'zsre' ? zsre[0] : nested[1]
      const cases = await load(name, [...record, good], { onSkip: (s) => skipped.push(s) })
      expect(cases).toHaveLength(1)
      expect(skipped).toEqual([
        expect.objectContaining({
          record: 1,
          line: 2,
          kind: 'no edit',
          reason: expect.stringMatching(/new answer '.*' is the old one/)
        })
      ])
    }
  )
})

describe('zsRE', () => {
  it('becomes rewrite, paraphrase, alias, inverse, one-hop and unrelated probes', async () => {
    const [c] = await load('zsre', [{ ...zsre[0], 'inverse question': 'Who is a pilot?' }])
    expect(c!.requests[0]).toMatchObject({ prompt: zsre[0]!.src, target: zsre[0]!.alt, previousTarget: 'soldier' })
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 1,
      'portability/subject-alias': 1,
      'portability/inverse': 1,
      'portability/one-hop': 1,
      'locality/unrelated': 1
    })
    expect(c!.probes.find((p) => p.kind === 'inverse')!.expected).toEqual([zsre[0]!.subject])
    // The true answer is what an alias must lead to before the edit.
    const alias = c!.probes.find((p) => p.kind === 'subject-alias')!
    expect(alias.needs).toEqual({ prompt: alias.prompt, expected: zsre[0]!.answers })
  })

  it('takes for granted what follows from the true answer, where a question of the record says it', async () => {
    const { alt, answers, portability } = zsre[0] as { alt: string; answers: string[]; portability: object }
    const [c] = await load('zsre', [
      {
        ...zsre[0],
        'inverse question': `Whose answer is ${alt}?`,
        portability: { ...portability, 'Old Answer': 'before' },
        same_first_part_prompts: ['Who is Ada B?'],
        same_last_part_prompts: ['Who is Bob A?', null]
      }
    ])
    const needs = (kind: string) => c!.probes.find((p) => p.kind === kind)!.needs
    expect(needs('inverse')).toEqual({ prompt: `Whose answer is ${answers[0]}?`, expected: [zsre[0]!.subject] })
    expect(needs('one-hop')!.expected).toEqual(['before'])
    expect(c!.probes.filter((p) => p.kind.startsWith('same')).map((p) => [p.kind, p.property, p.prompt])).toEqual([
      ['same-first-part', 'locality', 'Who is Ada B?'],
      ['same-last-part', 'locality', 'Who is Bob A?']
    ])
  })

  it('writes the true answer instead where ROME’s protocol is wanted', async () => {
    const [c] = await load('zsre', zsre, { options: { target: 'answer' } })
    expect(c!.requests[0].target).toBe('soldier')
    expect(c!.requests[0].previousTarget).toBeUndefined()
  })

  it('then asks no consequences: the files have those of the alternative answer alone', async () => {
    const record = { ...zsre[0], 'inverse question': 'Who is a pilot?' }
    const [alternative] = await load('zsre', [record])
    const [truth] = await load('zsre', [record], { options: { target: 'answer' } })
    const dropped = (c: EditCase) => c.probes.filter((p) => p.kind === 'inverse' || p.kind === 'one-hop')
    expect([dropped(alternative!).length, dropped(truth!).length]).toEqual([2, 0])
    expect(truth!.probes.filter((p) => p.kind === 'subject-alias')).toHaveLength(1)
  })
})

describe('the records of KnowEdit', () => {
  it('are questions by category, of which any name of the first group is right', async () => {
    const [c, bare] = await load('wikidata-recent', sample('wikidata/sample/recent.json'))
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'portability/reasoning': 1,
      'locality/relation-specificity': 1,
      'locality/forgetfulness': 1
    })
    expect(c!.probes[1]!.expected).toEqual(['Peru', 'Republic of Peru'])
    expect(c!.probes[2]).toMatchObject({
      expected: 'same-as-before',
      gold: 'chemist',
      truth: ['chemist', 'researcher']
    })
    expect(kinds(bare!.probes)).toEqual({ 'accuracy/rewrite': 1 })
  })

  it('accept every group where the category is about yes and no', async () => {
    const [c] = await load('wikidata-counterfact', sample('wikidata/sample/counterfact.json'))
    expect(c!.probes.find((p) => p.kind === 'logical-generalization')!.expected).toEqual(['no', 'incorrect', 'false'])
    expect(c!.requests[0].previousTarget).toBe('Norway')
    const options = { strict_book_portability: true }
    const [strict] = await load('wikidata-counterfact', sample('wikidata/sample/counterfact.json'), { options })
    expect(strict!.probes.some((p) => p.kind === 'subject-aliasing')).toBe(false)
  })

  it('of zsRE have a paraphrase as well, and are told from CounterFact’s flat ones', async () => {
    const [c] = await load('zsre', sample('zsre/sample/knowedit.json'))
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 1,
      'portability/logical-generalization': 1,
      'locality/relation-specificity': 2
    })
    expect(await complaint('counterfact', sample('zsre/sample/knowedit.json'))).toMatch(
      /it looks like zsRE: --dataset zsre/
    )
  })

  it('have no embedded version, which says where the file is', async () => {
    const load = async () => {
      for await (const _ of findDataset('wikidata-recent').load(undefined, { onBadRecord: 'fail', seed: 0 })) return
    }
    await expect(load()).rejects.toThrow('the embedded world has no WikiData_recent')
  })
})

describe('sets that are nothing but files', () => {
  it('QAEdit: a question, its paraphrase, and what is unrelated', async () => {
    const [c] = await load('qaedit', sample('qaedit/sample/qaedit.json'))
    expect(kinds(c!.probes)).toEqual({ 'accuracy/rewrite': 1, 'generality/paraphrase': 1, 'locality/unrelated': 2 })
    expect(c!).toMatchObject({ id: 'qaedit-7', requests: [{ target: 'Ruth Halden *', subject: 'Velmora Lighthouse' }] })
  })

  it('WikiBigEdit: in a persona’s words and one hop further, where it asks that', async () => {
    const [all, some] = await load('wikibigedit', sample('wikibigedit/sample/wikibigedit.json'))
    expect(kinds(all!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 1,
      'generality/persona': 1,
      'portability/multi-hop': 1,
      'locality/neighbourhood': 1
    })
    expect(all!.probes.at(-1)!.truth).toEqual(['Ana Tirel'])
    expect(kinds(some!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 1,
      'locality/neighbourhood': 1
    })
  })

  it('ParaRel: bags whose gap is at the end, another answer of the relation, and others that must stay', async () => {
    const bags = sample('pararel/sample/bags.json')
    const [c] = await load('pararel', bags)
    expect(c!.requests[0]).toMatchObject({
      prompt: 'The capital of Norland is',
      subject: 'Norland',
      previousTarget: 'Lima'
    })
    expect(['Velm', 'Oslo']).toContain(c!.requests[0].target)
    expect(kinds(c!.probes)).toEqual({
      ...{ 'accuracy/rewrite': 1, 'generality/paraphrase': 1 },
      ...{ 'locality/neighbourhood': 2, 'locality/unrelated': 1 }
    })
    expect(c!.probes[1]!.prompt).toBe("Norland's capital,")
    expect(c!.probes.at(-1)!.prompt).toMatch(/was designed by$/)
    const inside = [['[MASK] is the capital of Umbria.', 'Oslo', 'P36(capital)']]
    expect(await complaint('pararel', [...bags, inside])).toMatch(
      /record 6 is malformed: no sentence has its gap at the end/
    )
    expect(await complaint('pararel', [bags[0], bags[3]])).toMatch(/no other answer of P36\(capital\) in the file/)
  })

  it('HalluEditBench: a table of one model’s hallucinations', async () => {
    const file = join(__dirname, 'halluedit/sample/halluedit.csv')
    const cases: EditCase[] = []
    for await (const c of loadCases(findDataset('halluedit'), file, { onBadRecord: 'fail', seed: 0 })) cases.push(c)
    const expected = Object.fromEntries(cases[0]!.probes.map((p) => [p.kind, p.expected]))
    expect(expected).toEqual({
      ...{ rewrite: ['Peru'], paraphrase: ['Peru'], yes: ['Yes'], no: ['No'], 'multiple-choice': ['B'] },
      ...{ reversed: ['Orlen'], '2-hop': ['Lima'], unrelated: 'same-as-before' }
    })
    expect(cases[0]!.probes[4]!.prompt).toBe('What is the country of Orlen?\nA. Chile  B. Peru  C. Oman  D. Mali')
  })
})

describe('the KILT-style records of zsRE', () => {
  const kilt = readFileSync(join(__dirname, 'zsre/sample/kilt.jsonl'), 'utf8')

  it('draw a target from the alternatives, and take the words that all rephrasings share as the subject', async () => {
    const [a, b] = await load('zsre', kilt)
    expect(a!.requests[0].subject).toBe('Velmora Lighthouse')
    expect(['Oskar Lindqvane', 'Mara Dolen']).toContain(a!.requests[0].target)
    expect(kinds(a!.probes)).toEqual({ 'accuracy/rewrite': 1, 'generality/paraphrase': 2 })
    expect(b!.requests[0]).toMatchObject({ subject: 'Orlen bridge', target: '1945', previousTarget: '1932' })
    const targets = await Promise.all(
      [...Array(12).keys()].map(async (seed) => (await load('zsre', kilt, { seed }))[0]!)
    )
    expect(new Set(targets.map((c) => c.requests[0].target)).size).toBe(2)
  })

  it('without rephrasings are malformed, as MEND leaves them out', async () => {
    const alone = kilt.replace(
      /"filtered_rephrases": \["In which[^\]]*\]/,
      '"filtered_rephrases": ["When did Orlen bridge open?"]'
    )
    expect(await complaint('zsre', alone)).toMatch(
      /data\.json:2: record 2 is malformed: 'filtered_rephrases' holds none/
    )
  })
})

describe('MQuAKE', () => {
  const official = sample('mquake/sample/mquake.json')

  it('becomes an edit for every rewrite, three ways to ask one thing, and the hops that no edit writes', async () => {
    const [one, both] = await load('mquake', official)
    expect(kinds(one!.probes)).toEqual({ 'accuracy/rewrite': 1, 'portability/multi-hop': 3, 'locality/hop': 1 })
    expect(kinds(both!.probes)).toEqual({ 'accuracy/rewrite': 2, 'portability/multi-hop': 3 })
    expect(both!.requests.map((r) => r.prompt.slice(r.subjectAt).startsWith(r.subject))).toEqual([true, true])
    const hops = one!.probes.filter((p) => p.property === 'portability')
    expect(hops.map((p) => p.anyOf)).toEqual(['questions', 'questions', 'questions'])
    const [first] = official as unknown as [
      { new_answer: string; answer: string; new_single_hops: { answer: string }[] }
    ]
    expect(hops[0]!.expected).toEqual([first.new_answer])
    expect(hops[0]!.needs!.expected).toEqual([first.answer])
    expect(one!.probes.at(-1)).toMatchObject({ expected: 'same-as-before', truth: [first.new_single_hops[1]!.answer] })
  })

  it('accepts other names, and what MQuAKE-T says was right before as well', async () => {
    const more = { new_answer_alias: ['Other', ' '], answer_alias: ['Old'], answer_extended: ['Older', 'Old'] }
    const [c] = await load('mquake', [{ ...official[0], ...more }])
    const { expected, needs } = c!.probes.find((p) => p.kind === 'multi-hop')!
    expect(expected.slice(1)).toEqual(['Other'])
    expect(needs!.expected.slice(1)).toEqual(['Old', 'Older'])
  })

  it('reads the rows of MQuAKE-Remastered, whose targets are flat, to the same case', async () => {
    const [flatter] = await load('mquake', sample('mquake/sample/remastered.json'))
    const [nested] = await load('mquake', official)
    expect({ ...flatter, place: '' }).toEqual({ ...nested, place: '' })
  })

  it('asks the instances that a split leaves unedited for the old answer', async () => {
    const [row] = sample('mquake/sample/remastered.json')
    const of = (label: string, case_id: number) => ({ ...row, case_id, split: { 1: [label] } })
    const [edited, other] = await load('mquake', [of('edited', 1), of('', 2)], { options: { edited: 1 } })
    expect(edited!.unedited).toBeUndefined()
    expect(edited!.probes.some((p) => p.kind === 'rewrite')).toBe(true)
    expect(other).toMatchObject({ unedited: true, requests: edited!.requests })
    expect(new Set(other!.probes.map((p) => `${p.property}/${p.kind}`))).toEqual(new Set(['locality/unedited']))
    expect(other!.probes[0]!.expected).toEqual(edited!.probes.find((p) => p.kind === 'multi-hop')!.needs!.expected)
    await expect(load('mquake', [of('edited', 1)], { options: { edited: 100 } })).rejects.toThrow(
      "'split' does not say"
    )
  })

  it('edits both halves of CF-6334, and asks its test half alone for old answers', async () => {
    const [row] = sample('mquake/sample/remastered.json')
    const of = (...labels: string[]) => ({
      ...row,
      case_id: labels.join(' '),
      split: { 1: labels, 9: ['test_edited'] }
    })
    const rows = [of('train_edited'), of('test_edited'), of('test_unedited'), of('train_unedited'), of()]
    const cases = await load('mquake', rows, { options: { edited: 1 }, onBadRecord: 'skip' })
    expect(cases.map((c) => [c.id, c.unedited === true])).toEqual([
      ['mquake-train_edited', false],
      ['mquake-test_edited', false],
      ['mquake-test_unedited', true]
    ])
  })

  it('puts the demonstrations of a file before questions, with thoughts or without', async () => {
    writeFileSync(join(dir, 'shown.txt'), 'Q: a? A: b\n')
    const options = { prompting: 'few-shot', prompts: 'shown.txt' }
    const [few] = await load('mquake', official, { options })
    const [{ questions }] = official as unknown as [{ questions: string[] }]
    const probe = few!.probes.find((p) => p.kind === 'multi-hop')!
    expect(probe.prompt).toBe(`Q: a? A: b\nQ: ${questions[0]} A:`)
    expect(probe.answersAfter).toBeUndefined()
    const [thought] = await load('mquake', official, { options: { ...options, prompting: 'chain-of-thought' } })
    expect(thought!.probes.find((p) => p.kind === 'multi-hop')).toMatchObject({
      prompt: `Q: a? A: b\n\nQuestion: ${questions[0]}\nThoughts:`,
      answersAfter: 'Answer:'
    })
  })

  it('asks hops after the demonstrations of their relation', async () => {
    writeFileSync(join(dir, 'rel.json'), '{"P37":"Q: c? A: d"}')
    const [c] = await load('mquake', official, { options: { hop_prompts: 'rel.json' } })
    const [{ new_single_hops }] = official as unknown as [{ new_single_hops: { question: string }[] }]
    expect(c!.probes.at(-1)!.prompt).toBe(`Q: c? A: d\nQ: ${new_single_hops[1]!.question} A:`)
  })

  it('says which demonstrations are missing, and where they are', async () => {
    expect(await complaint('mquake', official, { options: { prompting: 'few-shot' } })).toMatch(
      /options of mquake: prompting 'few-shot' needs demonstrations\n.*multihop-prompts\.txt/
    )
    const absent = { prompting: 'few-shot', prompts: 'absent.txt' }
    expect(await complaint('mquake', official, { options: absent })).toMatch(/absent\.txt: prompts: no such file/)
    writeFileSync(join(dir, 'rel.json'), '[1]')
    expect(await complaint('mquake', official, { options: { hop_prompts: 'rel.json' } })).toMatch(
      /rel\.json: hop_prompts/
    )
  })
})

describe('Hallucination', () => {
  it('reads WISE’s layout: a sentence that is to follow, and a text that should stay', async () => {
    const [wise] = sample('hallucination/sample/wise.json')
    const [c] = await load('hallucination', [wise])
    expect(kinds(c!.probes)).toEqual({ 'accuracy/rewrite': 1, 'locality/unrelated': 1 })
    expect(c!.probes[0]!.expected).toEqual([wise!.target_new])
    expect(c!.probes[1]!.gold).toBe(wise!.locality_ground_truth)
  })

  it('derives edits from annotated passages as GRACE does: several of one record', async () => {
    const passages = readFileSync(join(__dirname, 'hallucination/sample/passages.jsonl'), 'utf8')
    writeFileSync(join(dir, 'wiki_bio_concepts.txt'), 'mara dolen\n')
    const [born, likes, ...more] = await load('hallucination', passages)
    expect(more).toEqual([])
    const header = 'This is a Wikipedia passage about mara dolen.'
    expect(born).toMatchObject({
      id: 'hallucination-0-1',
      requests: [
        {
          prompt: `${header} Mara Dolen is a Velmoran chemist.`,
          subject: 'mara dolen',
          target: 'She was born in 1932.'
        }
      ]
    })
    // The real text has no third sentence: its last one is taken.
    expect(likes!.requests[0].target).toBe('She was born in 1932.')
    for (const c of [born!, likes!])
      expect(c.probes[1]).toMatchObject({
        kind: 'accurate-sentence',
        prompt: header,
        gold: 'Mara Dolen is a Velmoran chemist.'
      })
    expect(await load('hallucination', passages, { limit: 1 })).toHaveLength(1)
    expect(await complaint('hallucination', `${passages}${passages}`)).toMatch(
      /record 2 is malformed: there are 1 concepts, none/
    )
    const options = { concepts: 'absent.txt' }
    expect(await complaint('hallucination', passages, { options })).toMatch(
      /absent\.txt: the names .* are missing\n.*GRACE/
    )
  })

  it('finds the subject of KnowEdit’s files in the header, without case, and asks what should stay', async () => {
    const [knowedit] = sample('hallucination/sample/knowedit.json')
    const shouted = String(knowedit!.concept).toUpperCase()
    const [c] = await load('hallucination', [{ ...knowedit, concept: shouted }])
    const [request] = c!.requests
    expect(request.subjectAt).toBe('This is a Wikipedia passage about '.length)
    expect(request.subject).toBe(knowedit!.concept)
    expect(kinds(c!.probes)).toEqual({ 'accuracy/rewrite': 1, 'locality/relation-specificity': 2 })
  })
})

describe('ConvSent', () => {
  const topics = sample('convsent/sample/convsent.json') as unknown as { ent: string; pos: string[]; neg: string[] }[]

  it('wants one side of a topic’s texts, and compares distributions on the next topic’s; the last one’s next is the first', async () => {
    const cases = await load('convsent', topics)
    for (const [i, c] of cases.entries()) {
      const [topic, next] = [topics[i]!, topics[(i + 1) % topics.length]!]
      const [accuracy, locality] = c.probes
      const texts = [accuracy!.sides!.wanted, accuracy!.sides!.other].map((side) => side.map((t) => t.text))
      expect([topic.pos, topic.neg].map((side) => side.map((t) => t.trim())).sort()).toEqual([...texts].sort())
      expect(accuracy!.expected).toEqual(texts[0])
      expect(locality!.diverge!.map((t) => t.text)).toEqual([...next.pos, ...next.neg].map((t) => t.trim()))
      for (const { prompt } of accuracy!.sides!.wanted) expect(prompt).toContain(topic.ent)
      expect(locality!.prompt).toContain(next.ent)
    }
  })

  it('edits what EasyEdit edits, in its spelling, SERAC’s pair, or the question', async () => {
    const requests = async (request?: string) =>
      (await load('convsent', topics.slice(0, 1), request === undefined ? {} : { options: { request } }))[0]!
        .requests[0]
    expect((await requests()).prompt).toMatch(/^From the sentiment dataset, answer .*\? (postively|negatively)\.$/)
    expect(await requests('serac')).toMatchObject({
      prompt: `Topic: ${topics[0]!.ent}`,
      target: expect.stringMatching(/^Sentiment: (Positive|Negative)$/)
    })
    expect((await requests('question')).prompt).toMatch(/^(What|How) .*\?$/)
  })

  it('wants either sentiment, the same for the same seed', async () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ ...topics[0], ent: `topic ${i}` }))
    const sides = async (seed: number) =>
      (await load('convsent', many, { seed, options: { request: 'serac' } })).map((c) => c.requests[0].target)
    expect(new Set(await sides(0)).size).toBe(2)
    expect(await sides(0)).toEqual(await sides(0))
    expect(await sides(1)).not.toEqual(await sides(0))
  })
})

describe('a malformed record', () => {
  const bad = [nested[0], { ...nested[1], requested_rewrite: { prompt: 'no place' } }, nested[2]]

  it('ends the run with file, line, record and key when records must be whole', async () => {
    const text = JSON.stringify(bad, null, 1)
    const line = text.slice(0, text.indexOf('"no place"')).split('\n').length - 5
    const error = await load('counterfact', bad).catch((e: Error & { place?: string }) => e)
    expect((error as Error).message).toMatch(/^record 2 is malformed: 'requested_rewrite/)
    const place = Number(/:(\d+)$/.exec((error as { place: string }).place)![1])
    expect(Math.abs(place - line)).toBeLessThan(200)
    expect(text.split('\n')[place - 1]!.trim()).toBe('{')
  })

  it('is left out, counted and named when it may be skipped', async () => {
    const skipped: unknown[] = []
    const cases = await load('counterfact', bad, { onBadRecord: 'skip', onSkip: (s) => skipped.push(s) })
    expect(cases).toHaveLength(2)
    expect(skipped).toEqual([
      expect.objectContaining({ record: 2, reason: expect.stringContaining('requested_rewrite') })
    ])
  })

  it('does not count towards the limit', async () => {
    expect(await load('counterfact', bad, { onBadRecord: 'skip', limit: 2 })).toHaveLength(2)
  })

  it('in JSON Lines is named by its line', async () => {
    const lines = `${JSON.stringify(zsre[0])}\n\n{"subject": \n${JSON.stringify(zsre[1])}\n`
    const skipped: { line?: number }[] = []
    const cases = await load('zsre', lines, { onBadRecord: 'skip', onSkip: (s) => skipped.push(s) })
    expect(cases).toHaveLength(2)
    expect(skipped.map((s) => s.line)).toEqual([3])
  })

  it('whose subject is not in its question says so', async () => {
    await expect(load('zsre', [{ ...zsre[0], subject: 'Nobody' }])).rejects.toThrow(
      "the subject 'Nobody' is not in the prompt"
    )
  })
})

describe('a file of another layout is told what it is', () => {
  const own = { question: 'Q', answer: 'A', extra: 1 }

  it('by its keys and the layouts that are read', async () => {
    const text = await complaint('counterfact', [own], { onBadRecord: 'skip' })
    expect(text).toMatch(
      /^data\.json:2: the file holds records with the keys question, answer, extra, which is no layout of CounterFact/
    )
    expect(text).toMatch(
      /nested layout \(requested_rewrite\); EasyEdit's flat layout \(prompt, target_new, ground_truth\)/
    )
  })
  it('by the dataset it looks like', async () => {
    expect(await complaint('counterfact', zsre)).toMatch(/it looks like zsRE: --dataset zsre/)
    expect(await complaint('zsre', nested, { onBadRecord: 'skip' })).toMatch(
      /it looks like CounterFact: --dataset counterfact/
    )
  })
  it('by the list that is missing around its records', async () => {
    const object = { 0: nested[0], 1: nested[1] }
    expect(await complaint('counterfact', JSON.stringify(object))).toMatch(
      /one object, expected is a list[\s\S]*write them as a list/
    )
    expect(await complaint('counterfact', JSON.stringify(object, null, 1))).toMatch(
      /one JSON object over several lines[\s\S]*array/
    )
  })
  it('but one such record among others is malformed', async () => {
    expect(await load('zsre', [own, zsre[0]], { onBadRecord: 'skip' })).toHaveLength(1)
  })
})

describe('a file that is not UTF-8', () => {
  it('is refused with the byte and the line', async () => {
    const text = Buffer.from(JSON.stringify([{ ...zsre[0], subject: 'Caf' }], null, 1))
    const at = text.indexOf('Caf') + 3
    const latin = Buffer.concat([text.subarray(0, at), Buffer.from([0xe9]), text.subarray(at)])
    const file = join(dir, 'latin1.json')
    writeFileSync(file, latin)
    const line = text.subarray(0, at).toString().split('\n').length
    const cases = findDataset('zsre').load(file, { onBadRecord: 'skip', seed: 0 })
    const error = await cases[Symbol.asyncIterator]()
      .next()
      .catch((e: UserError) => e)
    expect((error as UserError).format()).toMatch(
      new RegExp(`latin1\\.json:${line}: not UTF-8: byte ${at + 1} of the file is 0xe9`)
    )
  })
})

describe('a large file', () => {
  const write = (text: string) => {
    const file = join(dir, 'large.json')
    writeFileSync(file, text)
    return file
  }

  it('is cut into its elements across the pieces it is read in, with the line of each', () => {
    // Brackets and escaped quotes inside texts, characters of several bytes, elements longer than a piece.
    const values = Array.from({ length: 40 }, (_, i) => ({
      i,
      text: '}]"\\,{[é🦓'.repeat(i % 7 === 3 ? 150_000 : 9_000),
      list: [[i], {}]
    }))
    const text = JSON.stringify(values, null, 2)
    const progress: number[] = []
    const elements = [...jsonElements(write(text), { onProgress: (bytes) => progress.push(bytes) })]
    expect(elements.map((e) => JSON.parse(e.text) as unknown)).toEqual(values)
    const lines = text.split('\n')
    for (const [i, { line }] of elements.entries())
      expect([lines[line - 1], lines[line]]).toEqual(['  {', `    "i": ${i},`])
    expect(progress.length).toBeGreaterThan(5)
    expect(progress.at(-1)).toBe(Buffer.byteLength(text))
  })

  it('is read no further than the limit needs', async () => {
    const rest = 'no JSON at all'
    const file = write(`[${JSON.stringify(zsre[0])},\n${JSON.stringify(zsre[1])},\n${rest}`)
    const cases: EditCase[] = []
    for await (const c of findDataset('zsre').load(file, { onBadRecord: 'fail', seed: 0, limit: 1 })) cases.push(c)
    expect(cases).toHaveLength(1)
  })

  it.each([
    ['[1, 2', /the file ends in the middle of record 2/],
    ['[1 2]', /not JSON/],
    ['[1,\n,2]', /record 2 is missing/],
    ['["a" "b"]', /not JSON/],
    ['[1] x', /something follows the end of the list/],
    ['[', /the file ends in the middle of record 1/]
  ])('that is cut off or broken says where: %s', (text, message) => {
    const read = () => [...jsonElements(write(text))].map((e) => JSON.parse(e.text) as unknown)
    expect(read).toThrow(text.includes(' 2]') || text.includes('" "') ? SyntaxError : message)
  })

  it('may be an empty list, and lines may be empty', () => {
    expect([...jsonElements(write('\ufeff [ ]'))]).toEqual([])
    expect([...jsonElements(write('{"a":1}\r\n\n{"b":2}'))]).toEqual([
      { text: '{"a":1}', line: 1 },
      { text: '{"b":2}', line: 3 }
    ])
  })
})

describe('a file that is no dataset', () => {
  test.each([
    ['that is empty', ' \n', 'the file is empty'],
    ['that is no JSON', 'subject,src\n', 'not JSON'],
    ['that is cut off', '[{"subject": "A"', 'not JSON']
  ])('%s', async (_, content, message) => {
    await expect(load('zsre', content)).rejects.toThrow(message)
  })

  test('that is not there', async () => {
    const cases = findDataset('zsre').load(join(dir, 'no.json'), { onBadRecord: 'fail', seed: 0 })
    await expect(cases[Symbol.asyncIterator]().next()).rejects.toThrow('no such data file')
  })

  test('options that do not exist are refused', async () => {
    await expect(load('zsre', zsre, { options: { tarjet: 'alt' } })).rejects.toThrow(/tarjet/)
  })
})

/** Samples of the real files, where a checkout lies beside them; the project does not need them. */
const shared = join(__dirname, '..', '..', 'shared', 'data')
const real = (
  [
    ['counterfact', 'counterfact-rome'],
    ['counterfact', 'counterfact'],
    ['zsre', 'zsre'],
    ['mquake', 'mquake'],
    ['hallucination', 'hallucination'],
    ['hallucination', 'knowedit', 'wikibio'],
    ['zsre', 'knowedit', 'ZsRE'],
    ['wikidata-recent', 'knowedit', 'recent'],
    ['wikidata-counterfact', 'knowedit', 'train_cf'],
    ['convsent', 'convsent'],
    ['qaedit', 'qaedit'],
    ['pararel', 'pararel', 'data'],
    ['conflictedit', 'conflictedit', 'composite_edit', { prompts: 'conflict_prompts.json' }],
    ['conflictedit', 'conflictedit', 'reverse_edit'],
    ['conflictedit', 'conflictedit', 'coverage_edit'],
    ['roundedit', 'conflictedit', 'easy', { prompts: 'round_prompts.json' }],
    ['ecbd', 'ecbd', 'all_ent', { specificity: 'specificity_popular_20np_20random.json' }],
    ['nq-situatedqa', 'nq-situatedqa'],
    ['sanitation', 'sanitation'],
    ['t-rex', 't-rex', 'score_cmp', { relations: 'relations.jsonl', patterns: '../pararel/patterns' }],
    ['known', 'known1000']
  ] as const
).flatMap(([dataset, folder, begins = '', switches = {}]) =>
  existsSync(join(shared, folder))
    ? readdirSync(join(shared, folder))
        .filter((f) => f.startsWith(begins) && /\.(json|csv)$/.test(f))
        .map((f) => [dataset, join(shared, folder, f), switches] as const)
    : []
)
/** Records of a sample, by the list beside them. */
function recordsOf(file: string): number {
  const rows = readFileSync(join(shared, 'README.md'), 'utf8').split('\n')
  const row = rows.find((r) => r.startsWith(`| ${basename(dirname(file))} | ${basename(file)} |`))
  return Number(row!.split('|')[4])
}
if (real.length > 0) {
  test.each(real)('real files of %s load, nearly every record: %s', async (name, file, switches) => {
    const skipped: SkippedRecord[] = []
    const cases: EditCase[] = []
    const options = { onBadRecord: 'skip', seed: 0, onSkip: (s: SkippedRecord) => void skipped.push(s) } as const
    for await (const c of loadCases(findDataset(name), file, { ...options, options: switches })) cases.push(c)
    // Sanitation's other records are questions that stay.
    if (name !== 'sanitation') expect(cases.length + skipped.length).toBe(recordsOf(file))
    expect(cases.length).toBeGreaterThan(20)
    const malformed = skipped.filter((s) => s.kind === 'malformed')
    expect(malformed.length).toBeLessThan(0.06 * cases.length)
    expect(skipped.length).toBeLessThan(0.2 * cases.length)
    for (const { requests } of cases) expect(requests[0].prompt).toContain(requests[0].subject)
  })
}
