import type { TraceRow } from '../results/rows'
import type { FactTrace } from './trace'

/** A row for every cell of every fact. */
export const traceRows = (model: string, dataset: string, traces: readonly FactTrace[]): TraceRow[] =>
  traces.flatMap(({ fact, tokens, roles, answer, high, low, effects }) =>
    effects.map(({ kind, token, layer, probability }) => ({
      model,
      dataset,
      fact: fact.id,
      prompt: fact.prompt,
      subject: fact.subject,
      answer,
      high,
      low,
      kind,
      token,
      text: tokens[token]!,
      role: roles[token]!,
      layer,
      probability
    }))
  )
