import type { Property } from '../../datasets/types'
import type { Grade } from './types'

/** From where a share counts as medium and as high, in 0..1. */
export type Grading = Readonly<Record<Property, { readonly medium: number; readonly high: number }>>

/**
 * Cut points that give the high, medium and low of the book's Table 5.2 from the published numbers behind it, which are shares of
 * matching tokens (Yao et al. 2023): that measure is graded, not the exact match. The properties need different ones.
 */
export const BOOK_GRADING: Grading = {
  accuracy: { medium: 0.205, high: 0.75 },
  generality: { medium: 0.3, high: 0.5 },
  portability: { medium: 0.1, high: 0.3 },
  locality: { medium: 0.25, high: 0.8 }
}

/** @param tokenShare EasyEdit's share of matching tokens */
export function gradeOf(property: Property, tokenShare: number, grading: Grading): Grade {
  const { medium, high } = grading[property]
  return tokenShare >= high ? 'high' : tokenShare >= medium ? 'medium' : 'low'
}
