import type { EditRequest } from '../../harness/edit'
import { encodePrompt, encodeTarget, type LanguageModel, type Positions } from '../../harness/model'
import type { FineTuningObjective } from './hyperparameters'

/** What some requests are to teach in one step. */
export interface Lesson {
  readonly rows: readonly (readonly number[])[]
  /** Where a label is predicted; several labels may share a place. */
  readonly logitsAt: Positions
  readonly labels: Int32Array
  /** Share of each label in the loss: its row's mean, then the mean over rows. */
  readonly weights: Float32Array
}

/** @param ends the end of the text is a label too, after the target */
export function lessonOf(
  { tokenizer }: LanguageModel,
  requests: readonly EditRequest[],
  objective: FineTuningObjective,
  ends = false
): Lesson {
  const rows: number[][] = []
  const at: { row: number; position: number; label: number; weight: number }[] = []
  for (const [row, request] of requests.entries()) {
    const prompt = encodePrompt(tokenizer, request.prompt)
    const target = [...encodeTarget(tokenizer, request.target), ...(ends ? [tokenizer.endOfText] : [])]
    const given = objective === 'target_new' ? target.slice(0, -1) : []
    rows.push([...prompt, ...given])
    for (const [j, label] of target.entries()) {
      const position = prompt.length - 1 + (objective === 'target_new' ? j : 0)
      at.push({ row, position, label, weight: 1 / (target.length * requests.length) })
    }
  }
  return {
    rows,
    logitsAt: { rows: Int32Array.from(at, (a) => a.row), positions: Int32Array.from(at, (a) => a.position) },
    labels: Int32Array.from(at, (a) => a.label),
    weights: Float32Array.from(at, (a) => a.weight)
  }
}
