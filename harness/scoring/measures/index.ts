import { closestTo } from '../../closest'
import { UserError } from '../../errors'
import { knowledgeAssessment } from './cka'
import { conflictMagnitude, conflictScore, distortion, failureRate, ignoreRate, tiedFactDamage } from './conflict'
import { exactMatch } from './exact-match'
import { freeAnswer, judgedAnswer } from './free-answer'
import { bitsPerByte, choiceAccuracy, choiceAccuracyByCharacter, generalDivergence } from './general'
import { firstTokenLabel, firstTokenLabelTop3, labelAccuracy, reciprocalRank } from './labels'
import type { Measure } from './measure'
import { instanceWise, multiHopMean } from './multi-hop'
import { perplexity, totalPerplexity } from './perplexity'
import { probability, probabilityMagnitude } from './probability'
import { divergence, sentimentShift } from './sentiment'
import { tokenMatch } from './token-match'
import { consistency, fluency } from './written'

export { exactMatch } from './exact-match'
export { freeAnswer, judgedAnswer } from './free-answer'
export { bitsPerByte, choiceAccuracy, choiceAccuracyByCharacter, generalDivergence } from './general'
export {
  BASE_KNOWS,
  DIVERGENCE,
  ENTROPY,
  FREE,
  JUDGED,
  type Measure,
  type Moment,
  SIMILARITY,
  type Side,
  scoreKey,
  TRUE
} from './measure'
export { perplexity } from './perplexity'
export { divergence, sentimentShift } from './sentiment'
export { tokenMatch } from './token-match'
export { consistency, fluency } from './written'

/** Every measure; a new one is a file and a line here. */
export const MEASURES: readonly Measure[] = [
  exactMatch,
  tokenMatch,
  probability,
  probabilityMagnitude,
  perplexity,
  sentimentShift,
  divergence,
  instanceWise,
  multiHopMean,
  conflictScore,
  conflictMagnitude,
  tiedFactDamage,
  distortion,
  ignoreRate,
  failureRate,
  labelAccuracy,
  reciprocalRank,
  firstTokenLabel,
  firstTokenLabelTop3,
  knowledgeAssessment,
  totalPerplexity,
  fluency,
  consistency,
  freeAnswer,
  judgedAnswer,
  bitsPerByte,
  generalDivergence,
  choiceAccuracy,
  choiceAccuracyByCharacter
]

/** @throws UserError with the closest name when there is no such measure */
export function findMeasure(name: string): Measure {
  const found = MEASURES.find((m) => m.name === name)
  if (found !== undefined) return found
  const names = MEASURES.map((m) => m.name)
  throw new UserError(`unknown measure '${name}'${closestTo(name, names)}`, { hint: `measures: ${names.join(', ')}` })
}
