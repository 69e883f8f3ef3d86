import type { EditRequest } from '../harness/edit'

/** The book's properties that questions measure (equations 5.1 to 5.4), in the order of its Table 5.2. */
export const PROPERTIES = ['accuracy', 'generality', 'portability', 'locality'] as const
export type Property = (typeof PROPERTIES)[number]

/**
 * One question asked of the edited model.
 * `kind` says which sort: 'rewrite', 'paraphrase', 'subject-alias', 'inverse', 'one-hop', 'neighbourhood', 'distractor', 'unrelated' ...
 */
export interface Probe {
  readonly property: Property
  readonly kind: string
  readonly prompt: string
  /** Accepted answers (without leading space), or the base model's own greedy answer. */
  readonly expected: readonly string[] | 'same-as-before'
  /** Probes of one case and property with the same group are ways to ask one thing: it is right when any of them is (MQuAKE). */
  readonly anyOf?: string
  /**
   * Two continuations whose mean token negative log likelihoods are compared (CounterFact's ES/PS/NS, EM/PM/NM).
   * The probe succeeds when `better` is strictly likelier than `worse`.
   */
  readonly compare?: { readonly better: string; readonly worse: string }
  /**
   * What the question takes for granted, as a question to the unedited model: an alias it does not know is not the edit's failure. Whether it knows
   * is stored beside the answer (`base_knows` among its scores) and counted apart.
   */
  readonly needs?: { readonly prompt: string; readonly expected: readonly string[] }
  /**
   * Right answers where what is expected is the base model's own: whether each model says one of them is stored beside the answer (`true.before`,
   * `true.after` among its scores).
   */
  readonly truth?: readonly string[]
  /** The model thinks aloud before it answers: its answer is what it says after these words, up to the end of their line. */
  readonly answersAfter?: string
  /** Texts of two sides, of which the edited model is to favour one (ConvSent). */
  readonly sides?: { readonly wanted: readonly Continued[]; readonly other: readonly Continued[] }
  /** Right answers, each in all its ways to be said, whose probabilities are compared with those before (RoundEdit). */
  readonly answers?: readonly (readonly Continued[])[]
  /** Texts over which the edited model's next-token distributions are compared with the unedited one's. */
  readonly diverge?: readonly Continued[]
  /** Answers to choose from by their likelihood, and which is right, where that is known. */
  readonly choices?: { readonly texts: readonly string[]; readonly right?: number }
  /**
   * What the model is to write on, in words of its own, instead of answering: prompts, and texts that what it writes is compared with, by words
   * weighted as in those of a source of snippets.
   */
  readonly writes?: {
    readonly prompts: readonly string[]
    readonly like?: { readonly texts: readonly string[]; readonly among: string }
  }
  /** An image that the question is about, where the dataset keeps it: for models that see. */
  readonly image?: string
  /** Gold answer whose token length bounds the locality comparison of EasyEdit, where the dataset has one. */
  readonly gold?: string
}

/** A text that is scored as what follows a prompt after one space. */
export interface Continued {
  readonly prompt: string
  readonly text: string
}

/**
 * Kinds of questions that are reported apart: no part of their property's value, which stays what it is on data without them. Others whose name
 * shares its first or last part with the subject's, general ability, and what the model writes of itself.
 */
export const APART: readonly string[] = [
  'same-first-part',
  'same-last-part',
  'general-text',
  'general-choice',
  'generation'
]

/** Kinds about general ability: not of a dataset, but of what should stay whatever is edited. */
export const GENERAL: readonly string[] = ['general-text', 'general-choice']

/** Kinds of what the model writes of itself: no answers, so that none is right or wrong. */
export const WRITTEN: readonly string[] = ['generation']

/** Kinds that are reported apart and have right answers. */
export const ANSWERED_APART: readonly string[] = APART.filter((kind) => !WRITTEN.includes(kind))

/** Kinds that have measures of their own, and no others. */
export const OWN_MEASURES: readonly string[] = [...GENERAL, ...WRITTEN]

export interface EditCase {
  readonly id: string
  /** The facts that are written together; most cases have one. */
  readonly requests: readonly [EditRequest, ...EditRequest[]]
  readonly probes: readonly Probe[]
  /** What is to be written is the last so many tokens of the text that prompt and target are together, whichever they are for a model. */
  readonly lastTokens?: number
  /** Its facts are not written: it is asked under the edits of the cases that share its batch (MQuAKE-Remastered). */
  readonly unedited?: true
  /** The facts contradict each other: they are inserted one after another, whatever the method holds. */
  readonly inOrder?: true
  /** Where it stands, for messages: `counterfact.json:12`, or the embedded world. */
  readonly place: string
}

/** A record that became no case: malformed, or an edit that changes nothing. */
export interface SkippedRecord {
  readonly file: string
  /** From 1. */
  readonly record: number
  readonly line: number
  readonly kind: 'malformed' | 'no edit'
  readonly reason: string
}

/** By which keys a record shows its layout. */
export interface LayoutKeys {
  readonly name: string
  readonly keys: readonly string[]
  /** Keys that it does not have: those of a layout which has these and more. */
  readonly without?: readonly string[]
  /** Where the file is an object of lists: in which its records stand. */
  readonly lists?: readonly string[]
}

/** The lists that files of some layouts are objects of. */
export const listsOf = (layouts: readonly LayoutKeys[]): string[] => layouts.flatMap((l) => l.lists ?? [])

export interface LoadOptions {
  /** What a malformed record does. */
  readonly onBadRecord: 'skip' | 'fail'
  /** Called for every record left out. */
  readonly onSkip?: (record: SkippedRecord) => void
  /** Called now and then while a file is read: bytes so far, and in all. */
  readonly onProgress?: (bytes: number, total: number) => void
  readonly limit?: number
  readonly split?: 'train' | 'test'
  readonly seed: number
  /** Folder that paths in the switches are relative to: the data file's own, where the file that is read is made of another. */
  readonly near?: string
  /** Dataset-specific switches, validated by the dataset's own schema. */
  readonly options?: Readonly<Record<string, unknown>>
}

export interface Dataset {
  readonly name: string
  readonly title: string
  readonly source: string
  readonly license: string
  /** Measures of `harness/scoring/measures` that are reported besides exact match and token match, by name. */
  readonly measures: readonly string[]
  /** The embedded world does not have it: without a file there is nothing. */
  readonly needsFile?: true
  /** Its questions are about images: it can be read, and asked of no model that has words alone. */
  readonly seesImages?: true
  /** Layouts of official files that are read. */
  readonly layouts: readonly LayoutKeys[]
  /**
   * Cases from the official file at `source`, or from the embedded world when `source` is undefined.
   * @throws UserError naming file, line and key when the file is not of this format.
   */
  load(source: string | undefined, options: LoadOptions): AsyncIterable<EditCase>
}
