import { corpusDocuments, generateWorld } from '../../datasets/world'
import type { Recipe } from './recipes'

/** A text to train on; a curriculum begins with the early ones. */
export interface TrainingText {
  readonly text: string
  readonly early: boolean
}

/** The corpus of the embedded world; early is what is about a dense share of the subjects, or about nobody. */
export const worldTexts = ({ curriculum }: Recipe): TrainingText[] =>
  [...corpusDocuments(generateWorld({ seed: 0 }))].map(({ text, about }) => ({
    text,
    early: about?.place === undefined || about.place < curriculum.share
  }))
