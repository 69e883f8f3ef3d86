export interface TracedFact {
  readonly id: string
  readonly prompt: string
  readonly subject: string
  /** Where the subject stands in the prompt, in characters. */
  readonly subjectAt: number
  /** What is true: a fact whose first token the model does not say is not traced. */
  readonly expected?: string
}

/**
 * What is given back: the residual stream after a block, or what the MLPs or attentions of some blocks around it add; or the stream after a block while the
 * MLPs, or attentions, above it stay as the noise had them (severed).
 */
export const KINDS = ['block', 'mlp', 'attention', 'block, mlps severed', 'block, attentions severed'] as const
export type TraceKind = (typeof KINDS)[number]

/** Where a token stands in a prompt. */
export const ROLES = [
  'before the subject',
  'first subject token',
  'middle subject tokens',
  'last subject token',
  'first token after',
  'further tokens',
  'last token'
] as const
export type Role = (typeof ROLES)[number]

export interface TraceOptions {
  /** Noises that an effect is the mean over. */
  readonly samples: number
  /** Standard deviation of the noise, in those of the embeddings of all subjects. */
  readonly noise: number
  /** Blocks whose MLPs, or attentions, are given back together. */
  readonly window: number
  readonly seed: number
  /** Instead of drawn numbers: standard normal, `[samples, subject tokens, dim]`. */
  readonly drawn?: (fact: TracedFact, tokens: number) => Float32Array
  readonly onFact?: (done: number, all: number) => void
}

/** The official window is ten of 48 blocks. */
export const defaultWindow = (layers: number): number => Math.max(1, Math.round((10 / 48) * layers))

export interface Effect {
  readonly kind: TraceKind
  readonly token: number
  readonly layer: number
  /** Probability of the answer, mean over the noises. */
  readonly probability: number
}

export interface FactTrace {
  readonly fact: TracedFact
  /** The tokens as text. */
  readonly tokens: readonly string[]
  readonly roles: readonly Role[]
  /** The token that is traced: what the model says. */
  readonly answer: string
  /** Its probability without noise, and with. */
  readonly high: number
  readonly low: number
  readonly effects: readonly Effect[]
}

export interface Traces {
  readonly facts: readonly FactTrace[]
  /** Facts that the model says something else to. */
  readonly unknown: readonly TracedFact[]
  /** Standard deviation of the noise. */
  readonly noise: number
}
