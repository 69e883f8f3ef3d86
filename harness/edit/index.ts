export {
  changesUnder,
  divergenceEdited,
  generateEdited,
  nameUnder,
  promptUnder,
  scoreEdited,
  type UnderEdit
} from './apply'
export { checkEdit } from './check'
export { combined } from './combine'
export { edited } from './edited'
export type { EditPart } from './kinds'
export type { DensePart } from './kinds/dense'
export type { LowRankPart } from './kinds/low-rank'
export type { PrefixPart } from './kinds/prefix'
export { escaped, type RulesPart, type TextRule } from './kinds/rules'
export { type EditedModel, editBytes, loadEdit, saveEdit } from './store'
export { findSubject, subjectEnd } from './subject'
export type * from './types'
