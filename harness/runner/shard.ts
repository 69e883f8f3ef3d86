import { type EditCase, GENERAL } from '../../datasets/types'
import type { EditContext, MethodContext } from '../../methods/types'
import { chunks } from '../chunks'
import { combined, type Edit, type EditDiagnostics, type EditRequest, editBytes, edited } from '../edit'
import { UserError } from '../errors'
import type { LanguageModel } from '../model'
import type { Protocol } from '../results/protocol'
import type { AnswerRow, EditRow } from '../results/rows'
import { answersTable, editsTable } from '../results/tables'
import { type JudgeOptions, judged } from '../scoring/judge'
import { askBase, askEdited, type BaseAnswers, type ScoreOptions, someOf, tooLong } from '../scoring/score-cases'
import { editGroups, type Outcome, type ReadyMethod } from './edit-groups'
import { type FoundFact, factsOf, foundFacts } from './find'
import { cutByTokens } from './last-tokens'
import { insertsOneByOne } from './protocol'
import type { MadeEdit, ShardResult, ShardTask, WorkEvent } from './tasks'

export interface ShardContext {
  readonly context: MethodContext
  readonly scoring: ScoreOptions
  /** Who judges free answers. */
  readonly judge?: JudgeOptions
  readonly onEvent: (event: WorkEvent) => void
}

/** Edits that wait to be asked are asked together, until they hold so many bytes: dense ones are as large as their layer. */
const WAITING_BYTES = 256e6

/** Edits some cases by every method and asks all their questions. */
export async function executeShard(
  { cases, ...given }: ShardTask,
  ready: readonly ReadyMethod[],
  model: LanguageModel,
  context: ShardContext
): Promise<ShardResult> {
  const cut = (some: readonly EditCase[]) => some.map((c) => cutByTokens(model.tokenizer, c))
  const { askAgain, batch } = given
  const fits = (c: EditCase) => tooLong(model, c, context.scoring) === undefined
  const task = {
    ...given,
    cases: cut(cases),
    ...(askAgain === undefined ? {} : { askAgain: cut(askAgain) }),
    ...(batch === undefined ? {} : { batch: cut(batch).filter(fits) })
  }
  const problems = task.cases.map((c) => tooLong(model, c, context.scoring))
  const again = (task.askAgain ?? []).filter(fits)
  for (const c of task.askAgain ?? [])
    if (!again.includes(c) && GENERAL.includes(c.probes[0]!.kind))
      context.context.log(`${c.id} is not asked`, { place: c.place, message: tooLong(model, c, context.scoring) })
  const usable = task.cases.filter((_, i) => problems[i] === undefined)
  const base = askBase(model, [...usable, ...again], context.scoring)
  const own = someOf(
    base,
    usable.map((_, i) => i)
  )
  const answers: AnswerRow[] = []
  const edits: EditRow[] = []
  const stored: { setting: string; caseId: string; edit: Edit }[] = []
  let soFar = task.soFar
  for (const [m, { setting }] of task.methods.entries()) {
    const found = task.found?.[m]
    const shard = new MethodShard(
      task,
      setting,
      ready[m]!,
      model,
      context,
      found && foundFacts(found, task.batch ?? task.cases)
    )
    if (task.protocol.kind === 'sequential') soFar = await shard.chain(own, base, soFar)
    else if (task.made !== undefined) shard.elsewhere(own, task.made, soFar)
    else if (task.batch !== undefined) soFar = await shard.inParts(own, task.batch)
    else await shard.independent(own)
    answers.push(...shard.answers)
    for (const [i, editCase] of task.cases.entries()) {
      const problem = problems[i]
      const place = usable.indexOf(editCase)
      const outcome = problem === undefined ? shard.outcomes[place]! : { error: problem }
      edits.push(editRow(setting, editCase, task.start + i, outcome))
      if (outcome.edit !== undefined && task.storeEditsOf.includes(editCase.id))
        stored.push({ setting, caseId: editCase.id, edit: outcome.edit })
    }
  }
  const {
    judge,
    context: { cacheDir }
  } = context
  const rows = judge === undefined ? answers : await judged(answers, judge, cacheDir)
  return {
    answers: answersTable.encode([rows]).bytes,
    edits: editsTable.encode([edits]).bytes,
    failed: edits.filter((r) => r.error !== null).length,
    stored,
    ...(soFar === undefined || task.made !== undefined ? {} : { soFar })
  }
}

/** The facts that one edit holds: those of so many cases. */
export const groupSize = (protocol: Protocol): number => (protocol.kind === 'single' ? 1 : protocol.size)

/** What became of a case; its edit only where it is to be stored. */
interface CaseOutcome extends Outcome {
  /** Facts of its edit, and bytes of it. */
  readonly facts?: number
  readonly bytes?: number
  readonly diagnostics?: EditDiagnostics
}

/** Cases that wait to be asked, each under an edit: none where it failed, `null` for the model as it is. */
class Waiting {
  readonly cases: number[] = []
  readonly edits: (Edit | null | undefined)[] = []
  readonly held: number[] = []
  readonly between: (Edit | undefined)[] = []
  bytes = 0

  add(cases: readonly number[], edit: Edit | null | undefined, held: number, between?: Edit): void {
    for (const i of cases) {
      this.cases.push(i)
      this.edits.push(edit)
      this.held.push(held)
      this.between.push(between)
    }
    this.bytes += edit ? editBytes(edit) : 0
  }
}

/** One method's part of a shard. */
class MethodShard {
  readonly answers: AnswerRow[] = []
  /** By usable case. */
  readonly outcomes: CaseOutcome[] = []
  readonly #task: ShardTask
  readonly #setting: string
  readonly #ready: ReadyMethod
  readonly #model: LanguageModel
  readonly #context: ShardContext
  readonly #found: ReadonlyMap<EditRequest, FoundFact> | undefined

  constructor(
    task: ShardTask,
    setting: string,
    ready: ReadyMethod,
    model: LanguageModel,
    context: ShardContext,
    found?: ReadonlyMap<EditRequest, FoundFact>
  ) {
    this.#task = task
    this.#setting = setting
    this.#ready = ready
    this.#model = model
    this.#context = context
    this.#found = found
  }

  /** Groups of cases that are each edited into the original model. */
  async independent(base: BaseAnswers): Promise<void> {
    const groups = chunks(base.cases, groupSize(this.#task.protocol))
    let waiting = new Waiting()
    let next = 0
    for await (const outcomes of this.#edit(this.#model, groups)) {
      for (const outcome of outcomes) {
        const group = groups[next++]!
        waiting.add(this.#keep(group, outcome), outcome.edit, group.length, outcome.between)
        if (waiting.bytes > WAITING_BYTES) {
          this.#ask(base, waiting, false)
          waiting = new Waiting()
        }
      }
    }
    this.#ask(base, waiting, false)
  }

  /** A batch whose edit is asked about some of its cases here, about the others elsewhere. @returns the edit, unless it failed */
  async inParts(own: BaseAnswers, batch: readonly EditCase[]): Promise<Edit | undefined> {
    let made: Edit | undefined
    for await (const [outcome] of this.#edit(this.#model, [batch], {}, [own.cases])) {
      this.#askAll(own, outcome!, { facts: batch.flatMap(factsOf).length, held: batch.length })
      made = outcome!.edit
    }
    return made
  }

  /** Cases of a batch whose edit was made elsewhere: undefined where it failed. */
  elsewhere(own: BaseAnswers, { row, held }: MadeEdit, edit: Edit | undefined): void {
    const { editMs, flops, together, peakBytes, facts } = row
    const known = { editMs, flops, together, peakBytes, error: edit === undefined ? row.error : null }
    const outcome: Outcome = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== null))
    this.#context.onEvent({ type: 'edited', setting: this.#setting, count: own.cases.length })
    // What is stored of an edit lacks its losses.
    const diagnostics = { lossCurve: row.lossCurve, values: JSON.parse(row.diagnostics) as Record<string, number> }
    const whole = edit === undefined ? outcome : { ...outcome, edit: { ...edit, diagnostics } }
    this.#askAll(own, whole, { facts, held })
  }

  #askAll(own: BaseAnswers, outcome: Outcome, { facts, held }: { facts: number; held: number }): void {
    const waiting = new Waiting()
    waiting.add(this.#keep(own.cases, outcome, facts), outcome.edit, held)
    this.#ask(own, waiting, false)
  }

  /**
   * Groups of cases that are edited on top of each other. Each is asked right after itself, failed or not, and at a checkpoint all so far are.
   * @param own answers about these cases; `base` about them and those before
   * @returns the edit so far
   */
  async chain(own: BaseAnswers, base: BaseAnswers, before: Edit | undefined): Promise<Edit | undefined> {
    const { start, cases, askAgain } = this.#task
    let soFar = before
    let waiting = new Waiting()
    for (const group of chunks(own.cases, groupSize(this.#task.protocol))) {
      const under = soFar === undefined ? this.#model : edited(this.#model, soFar)
      const chained = { goesOn: true, ...(soFar === undefined ? {} : { before: soFar }) } as const
      for await (const [outcome] of this.#edit(under, [group], chained)) {
        const between = outcome!.between && combined(soFar, outcome!.between)
        if (outcome!.edit !== undefined) soFar = combined(soFar, outcome!.edit)
        const held = start + cases.indexOf(group.at(-1)!) + 1
        waiting.add(this.#keep(group, outcome!), soFar ?? null, held, between)
      }
      if (under !== this.#model) under.dispose()
      if (waiting.bytes > WAITING_BYTES) {
        this.#ask(own, waiting, true)
        waiting = new Waiting()
      }
    }
    this.#ask(own, waiting, true)
    if (askAgain !== undefined) {
      const asking = { setting: this.#setting, held: start + cases.length, checkpoint: true, brokenIsWrong: true }
      const edits = base.cases.map(() => soFar ?? null)
      this.answers.push(...askEdited(this.#model, base, edits, asking).rows)
    }
    return soFar
  }

  /**
   * @param chained of edits that are put on top of each other
   * @param counting by group the cases that count as edited
   */
  #edit(
    under: LanguageModel,
    groups: readonly (readonly EditCase[])[],
    chained: Pick<EditContext, 'before' | 'goesOn'> = {},
    counting: readonly (readonly EditCase[])[] = groups
  ): AsyncGenerator<Outcome[]> {
    const { context, onEvent } = this.#context
    const setting = this.#setting
    const requests = groups.map((g) => g.flatMap(factsOf))
    const counted = async function* (outcomes: AsyncGenerator<Outcome[]>) {
      let next = 0
      for await (const some of outcomes) {
        const count = some.reduce((sum, _, i) => sum + counting[next + i]!.length, 0)
        next += some.length
        onEvent({ type: 'edited', setting, count })
        yield some
      }
    }
    return counted(
      editGroups(this.#ready, under, requests, {
        context: { ...context, ...chained },
        ...(this.#found === undefined ? {} : { found: this.#found }),
        oneByOne:
          insertsOneByOne(this.#ready.method, this.#task.protocol) ||
          groups.some((g) => g.some((c) => c.inOrder === true)),
        onFailure: (group, error) => {
          const message = error instanceof UserError ? error.format() : `${(error as Error).stack ?? error}`
          context.log(`case ${groups[group]![0]!.id} failed`, { message })
        }
      })
    )
  }

  /** Notes what became of cases that share an edit of so many facts. Edits that are not to be stored are dropped once they are asked. @returns their indexes */
  #keep(
    cases: readonly EditCase[],
    { edit, between: _, ...outcome }: Outcome,
    facts = cases.flatMap(factsOf).length
  ): number[] {
    return cases.map((editCase) => {
      const stored = edit !== undefined && this.#task.storeEditsOf.includes(editCase.id)
      const kept =
        edit === undefined
          ? {}
          : {
              diagnostics: edit.diagnostics,
              facts,
              bytes: editBytes(edit),
              ...(stored ? { edit } : {})
            }
      return this.outcomes.push({ ...outcome, ...kept }) - 1
    })
  }

  #ask(base: BaseAnswers, { cases, edits, held, between }: Waiting, brokenIsWrong: boolean): void {
    const asking = { setting: this.#setting, held, brokenIsWrong, between }
    const { rows, broken } = askEdited(this.#model, someOf(base, cases), edits, asking)
    this.answers.push(...rows)
    const answered = new Set(rows.map((r) => r.caseId))
    for (const [i, error] of broken) if (!answered.has(base.cases[cases[i]!]!.id)) this.outcomes[cases[i]!] = { error }
  }
}

function editRow(
  setting: string,
  { id, requests: [request], place }: EditCase,
  position: number,
  { diagnostics, editMs, flops, together, peakBytes, facts = 0, bytes, error }: CaseOutcome
): EditRow {
  const { lossCurve = [], values = {} } = diagnostics ?? {}
  return {
    setting,
    caseId: id,
    prompt: request.prompt,
    subject: request.subject,
    target: request.target,
    place,
    facts,
    position,
    editMs: editMs ?? null,
    together: together ?? null,
    flops: flops ?? null,
    peakBytes: peakBytes ?? null,
    editBytes: bytes ?? null,
    lossCurve,
    diagnostics: JSON.stringify(values),
    error: error ?? null
  }
}
