import type { Columns } from '../results/columns'
import type { AnswerRow, EditRow } from '../results/rows'

/** What a comparison reads of an answer and of an edit: the rest stays on disk. */
export const ANSWER_COLUMNS = [
  'setting',
  'caseId',
  'property',
  'kind',
  'prompt',
  'expected',
  'before',
  'after',
  'exactAfter',
  'shareAfter',
  'scores',
  'anyOf',
  'held',
  'checkpoint'
] as const satisfies readonly (keyof AnswerRow)[]

export const EDIT_COLUMNS = [
  'setting',
  'caseId',
  'prompt',
  'subject',
  'target',
  'editMs',
  'together',
  'flops',
  'peakBytes',
  'editBytes'
] as const satisfies readonly (keyof EditRow)[]

export type ComparedAnswers = Columns<AnswerRow, (typeof ANSWER_COLUMNS)[number]>
export type ComparedEdit = Pick<EditRow, (typeof EDIT_COLUMNS)[number]>
