import { join } from 'node:path'
import type { EditCase } from '../../datasets/types'
import { ftM } from '../../methods/ft-m'
import { combined, type Edit, type EditRequest, edited } from '../edit'
import { type LanguageModel, openModel } from '../model'
import { packageRoot } from '../package-root'
import type { Protocol } from '../results/protocol'
import { answersTable, editsTable } from '../results/tables'
import { MEASURES, type Measure } from '../scoring/measures'
import { useBackend } from '../tensor'
import { findFor } from './find'
import { executeShard } from './shard'
import type { ShardTask } from './tasks'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(packageRoot(), 'harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

const CASES = ['France', 'Rome', 'zebra', 'grass'].map((subject): EditCase => {
  const prompt = `The colour of ${subject} is`
  return {
    id: subject,
    place: '',
    requests: [{ prompt, subject, target: 'white' }],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt, expected: ['white'] },
      { property: 'locality', kind: 'unrelated', prompt: 'The dog', expected: 'same-as-before' }
    ]
  }
})
const H = ftM.hyperparameters.parse({ layers: [1], lr: 2e-2, num_steps: 8 })
const ready = { method: ftM, h: H, state: undefined }

async function run(protocol: Protocol, change: Partial<ShardTask> = {}, of = ready, measures: readonly Measure[] = []) {
  const counted: number[] = []
  const result = await executeShard(
    {
      type: 'shard',
      model: '',
      opened: { hash: '', weightsHash: '', files: '' },
      methods: [{ setting: 's', name: 'ft-m', hyperparameters: H }],
      measures: [],
      protocol,
      cases: CASES,
      start: 0,
      storeEditsOf: [],
      ...change
    },
    [of],
    model,
    {
      context: { seed: 0, cacheDir: '', log: () => {} },
      scoring: { localityTokens: 4, measures },
      onEvent: (event) => void (event.type === 'edited' && counted.push(event.count))
    }
  )
  const [answers, edits] = [answersTable.decode(result.answers, ''), editsTable.decode(result.edits, '')]
  return { ...result, answers, edits, counted }
}
const one = { oneByOne: false }
const sequential = (size = 1): Protocol => ({
  kind: 'sequential',
  edits: 4,
  size,
  askAfter: [4],
  orderSeed: null,
  ...one
})
const deltaOf = (edit: Edit | undefined) => [...(edit!.parts[0] as { delta: Float32Array }).delta]
const near = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))

it('a batch is one edit of several cases, whose time and work they share', async () => {
  const { edits, answers, stored, counted } = await run({ kind: 'batch', size: 3, ...one }, { storeEditsOf: ['Rome'] })
  expect(edits.map((e) => [e.caseId, e.facts, e.together, e.position])).toEqual([
    ['France', 3, 3, 0],
    ['Rome', 3, 3, 1],
    ['zebra', 3, 3, 2],
    ['grass', 1, 1, 3]
  ])
  expect(edits[0]).toMatchObject({ editMs: edits[1]!.editMs, flops: edits[1]!.flops, editBytes: edits[3]!.editBytes })
  expect(answers.map((r) => r.held)).toEqual([3, 3, 3, 3, 3, 3, 1, 1])
  expect(counted).toEqual([3, 1])
  expect(stored.map((s) => [s.caseId, s.edit.requests.length])).toEqual([['Rome', 3]])
})

it('a batch that is asked in parts is the same as one that is asked at once', async () => {
  const batch = { kind: 'batch', size: 4, ...one } as const
  const whole = await run(batch, { storeEditsOf: ['Rome', 'grass'] })
  const first = await run(batch, { cases: CASES.slice(0, 1), batch: CASES, storeEditsOf: ['Rome'] })
  const made = { row: first.edits[0]!, held: first.answers[0]!.held }
  const rest = { cases: CASES.slice(1), start: 1, made, storeEditsOf: ['Rome', 'grass'] }
  const second = await run(batch, { ...rest, soFar: first.soFar! })
  expect([...first.answers, ...second.answers]).toEqual(whole.answers)
  const timeless = ({ editMs: _, ...row }: (typeof whole.edits)[number]) => row
  expect([...first.edits, ...second.edits].map(timeless)).toEqual(whole.edits.map(timeless))
  expect(new Set([...first.edits, ...second.edits].map((e) => e.editMs)).size).toBe(1)
  expect([first.counted, second.counted]).toEqual([[1], [3]])
  expect([first, second].map((r) => r.stored.map((s) => s.caseId))).toEqual([[], ['Rome', 'grass']])
  expect(deltaOf(second.stored[0]!.edit)).toEqual(deltaOf(whole.stored[0]!.edit))
  expect(second.soFar).toBeUndefined()

  // Too long a case has no part in the edit, wherever it would be asked.
  const long = { ...CASES[0]!, id: 'long', requests: [{ ...CASES[0]!.requests[0], prompt: 'a '.repeat(600) }] } as const
  const beside = await run(batch, { cases: CASES.slice(0, 1), batch: [...CASES.slice(0, 3), long] })
  expect(beside.edits[0]).toMatchObject({ facts: 3, error: null })
  const apart = await run(batch, {
    cases: [long],
    start: 3,
    made: { row: beside.edits[0]!, held: 3 },
    soFar: beside.soFar!
  })
  expect(apart.edits[0]!.error).toMatch(/longer than the model/)

  const failed = await run(batch, { ...rest, made: { row: { ...made.row, error: 'no luck' }, held: 4 } })
  expect(failed.edits.map((e) => e.error)).toEqual(['no luck', 'no luck', 'no luck'])
  expect(failed.answers).toEqual([])
})

it('a sequence edits the edited model, and each link goes on from the one before', async () => {
  const whole = await run(sequential(), { askAgain: [] })
  let soFar: Edit | undefined
  for (const { requests } of CASES) {
    const under = soFar === undefined ? model : edited(model, soFar)
    for await (const [edit] of ftM.edit(under, [requests], H, { seed: 0, cacheDir: '', log: () => {} }, undefined))
      soFar = combined(soFar, edit!)
    if (under !== model) under.dispose()
  }
  expect(near(deltaOf(whole.soFar), deltaOf(soFar))).toBeLessThan(1e-6)
  expect(whole.soFar!.parts).toHaveLength(1)
  expect(whole.soFar!.requests).toHaveLength(4)

  const first = await run(sequential(), { cases: CASES.slice(0, 2) })
  const second = await run(sequential(), {
    cases: CASES.slice(2),
    start: 2,
    askAgain: CASES.slice(0, 2),
    ...(first.soFar === undefined ? {} : { soFar: first.soFar })
  })
  expect(deltaOf(second.soFar)).toEqual(deltaOf(whole.soFar))
  const of = (rows: typeof whole.answers) => rows.filter((r) => !r.checkpoint)
  expect([...of(first.answers), ...of(second.answers)]).toEqual(of(whole.answers))
  expect(of(whole.answers).map((r) => r.held)).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
  const again = (rows: typeof whole.answers) =>
    rows.filter((r) => r.checkpoint).sort((a, b) => (a.caseId < b.caseId ? -1 : 1))
  expect(again(second.answers)).toEqual(again(whole.answers))
  expect(again(whole.answers)).toHaveLength(8)
})

it('facts inserted one after another are the sequence of them', async () => {
  const { soFar } = await run(sequential())
  const { stored, edits } = await run({ kind: 'batch', size: 4, oneByOne: true }, { storeEditsOf: ['France'] })
  expect(near(deltaOf(stored[0]!.edit), deltaOf(soFar))).toBeLessThan(1e-6)
  expect(edits.map((e) => [e.facts, e.together])).toEqual([4, 4, 4, 4].map((facts) => [facts, 1]))
})

it('the facts of one case are inserted one after another where a method holds one', async () => {
  const requests = CASES.flatMap((c) => c.requests) as unknown as (typeof CASES)[number]['requests']
  const cases = [{ ...CASES[0]!, requests }]
  const single = { kind: 'single', ...one } as const
  const options = { cases, storeEditsOf: [CASES[0]!.id] }
  const { soFar } = await run(sequential())
  const apart = await run(single, options, { ...ready, method: { ...ftM, holdsMany: false } })
  expect(apart.edits).toMatchObject([{ facts: 4, together: 1 }])
  expect(near(deltaOf(apart.stored[0]!.edit), deltaOf(soFar))).toBeLessThan(1e-6)
  const together = await run(single, options)
  expect(near(deltaOf(together.stored[0]!.edit), deltaOf(soFar))).toBeGreaterThan(1e-6)
})

it('a case that fails in a sequence is skipped, and asked all the same', async () => {
  const failing = {
    ...ready,
    method: {
      ...ftM,
      async *edit(...[asked, groups, ...rest]: Parameters<typeof ftM.edit>) {
        if (groups[0]![0]!.subject === 'Rome') throw new Error('no')
        yield* ftM.edit(asked, groups, ...rest)
      }
    }
  }
  const { edits, answers, soFar } = await run(sequential(), {}, failing)
  expect(edits.map((e) => e.error)).toEqual([null, 'no', null, null])
  expect(soFar!.requests.map((r) => r.subject)).toEqual(['France', 'zebra', 'grass'])
  expect(answers.map((r) => r.caseId)).toEqual(CASES.flatMap((c) => [c.id, c.id]))
})

it('a case with several facts is one edit of all of them, and is asked once', async () => {
  const [first, second] = CASES as [EditCase, EditCase]
  const both: EditCase = { ...first, id: 'both', requests: [...first.requests, ...second.requests] }
  const { edits, stored, answers } = await run({ kind: 'single', ...one }, { cases: [both], storeEditsOf: ['both'] })
  expect(edits.map((e) => [e.caseId, e.facts])).toEqual([['both', 2]])
  expect(stored[0]!.edit.requests.map((r) => r.subject)).toEqual(['France', 'Rome'])
  expect(answers).toHaveLength(2)
})

it('asks cases that are not edited under the edits of those that share their batch', async () => {
  const [first, second] = CASES as [EditCase, EditCase]
  const cases = [first, { ...second, unedited: true as const }]
  const { answers, stored } = await run(
    { kind: 'batch', size: 2, oneByOne: false },
    { cases, storeEditsOf: [first.id] }
  )
  expect(stored[0]!.edit.requests).toEqual(first.requests)
  const { answers: alone } = await run({ kind: 'single', oneByOne: false }, { cases: [first] })
  expect(answers.filter((a) => a.caseId === first.id).map((a) => a.after)).toEqual(alone.map((a) => a.after))
  expect(answers.filter((a) => a.caseId === second.id)).toHaveLength(second.probes.length)
})

it('inserts facts that contradict each other one after another, and scores the model between them', async () => {
  const prompt = 'The colour of France is'
  const request = (target: string) => ({ prompt, subject: 'France', target })
  const said = (text: string) => [{ prompt, text }]
  const contradicting: EditCase = {
    id: 'c',
    place: '',
    requests: [request('white'), request('black')],
    inOrder: true,
    probes: [
      {
        property: 'accuracy',
        kind: 'later-edit',
        prompt,
        expected: ['black'],
        sides: { wanted: said('black'), other: said('white') }
      }
    ]
  }
  const measures = ['conflict-score', 'conflict-magnitude'].map((name) => MEASURES.find((m) => m.name === name)!)
  const alone = async (requests: EditCase['requests'], inOrder?: true) => {
    const { inOrder: _, ...rest } = contradicting
    const own: EditCase = { ...rest, requests, ...(inOrder === undefined ? {} : { inOrder }) }
    const { answers } = await run({ kind: 'single', oneByOne: false }, { cases: [own], measures: [] }, ready, measures)
    return answers[0]!.scores
  }
  const both = await alone(contradicting.requests, true)
  const first = await alone([request('white')])
  expect(both['p_earlier.between']).toBeCloseTo(first['p_earlier.after']!, 6)
  expect(both['p_earlier.between']).toBeGreaterThan(both['p_earlier.before']!)
  expect(both['p_later.after']).toBeGreaterThan(both['p_later.between']!)
  // A method that holds many would else write both at once.
  const together = await alone(contradicting.requests)
  expect(together['p_earlier.between']).toBeUndefined()
  expect(together['p_later.after']).not.toBeCloseTo(both['p_later.after']!, 3)
})

describe('what was found before', () => {
  /** Finds a number of steps for every fact; writes with as many, and has it found itself where it was not. */
  const h = { steps: 3 }
  const sought: string[][] = []
  const used: number[] = []
  const finding = {
    ...ready,
    h,
    method: {
      ...ftM,
      search: { name: 'steps', by: ['steps'] },
      find: (_: LanguageModel, requests: readonly EditRequest[]) => {
        sought.push(requests.map((r) => r.subject))
        if (requests.some((r) => r.subject === 'Rome')) throw new Error('none for Rome')
        return requests.map((r) => ({ steps: r.subject.length }))
      },
      async *edit(...[asked, groups, , context]: Parameters<typeof ftM.edit>) {
        for (const group of groups) {
          const known = group.map((r) => (context.found?.(r) as typeof h | undefined)?.steps ?? 0)
          const steps = known.reduce((a, b) => a + b, 0)
          used.push(steps)
          for await (const [edit] of ftM.edit(
            asked,
            [group],
            { ...H, num_steps: Math.max(1, steps) },
            context,
            undefined
          ))
            yield [{ ...edit!, diagnostics: { values: { steps } } }]
        }
      }
    }
  } as unknown as typeof ready

  it('a case that a search fails on costs the others nothing', () => {
    sought.length = 0
    const { cases, ms } = findFor(finding, model, CASES)
    expect(cases).toEqual([
      { id: 'France', found: [{ steps: 6 }] },
      { id: 'zebra', found: [{ steps: 5 }] },
      { id: 'grass', found: [{ steps: 5 }] }
    ])
    expect(sought).toEqual([['France', 'Rome', 'zebra', 'grass'], ['France'], ['Rome'], ['zebra'], ['grass']])
    expect(ms).toBeGreaterThan(0)
  })

  it('goes to the edits it is for, with its share of the time and its memory', async () => {
    const found = [[{ ...findFor(finding, model, CASES), ms: 3e6, peakBytes: 1e12 }]]
    const { edits } = await run({ kind: 'batch', size: 2, ...one }, { found }, finding)
    expect(edits.map((e) => JSON.parse(e.diagnostics).steps)).toEqual([6, 6, 10, 10])
    // A third of the time for a fact of three; in the mean over those that an edit holds.
    for (const [i, ms] of [0.5e6, 0.5e6, 1e6, 1e6].entries()) {
      expect(edits[i]!.editMs).toBeGreaterThan(ms)
      expect(edits[i]!.editMs).toBeLessThan(1.1 * ms)
      expect(edits[i]!.peakBytes).toBe(1e12)
    }
  })

  it('is of the unedited model: of no use once something is written', async () => {
    const found = [[findFor(finding, model, CASES)]]
    used.length = 0
    const { edits } = await run({ kind: 'batch', size: 4, oneByOne: true }, { found }, finding)
    expect(edits.map((e) => e.error)).toEqual([null, null, null, null])
    expect(used).toEqual([6, 0, 0, 0])
  })
})
