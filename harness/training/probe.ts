import { type FactProbe, generateWorld, probeFacts } from '../../datasets/world'
import { encodeTarget, type LanguageModel } from '../model'

/** Share of facts a model answers by greedy decoding, exactly. */
export interface ProbeResult {
  readonly facts: number
  readonly exact: number
}

export interface ProbeReport {
  /** 'trained' and 'held-out' phrasings, each with its statements and questions. */
  readonly kinds: Readonly<Record<FactProbe['kind'], ProbeResult & Readonly<Record<FactProbe['form'], ProbeResult>>>>
  readonly relations: Readonly<Record<string, ProbeResult>>
}

/**
 * Asks a model every fact of the embedded world. Greedy decoding gives the answer exactly if and only if, teacher-forced, every
 * token of it is the model's own choice.
 */
export function probeWorld(model: LanguageModel): ProbeReport {
  const probes = probeFacts(generateWorld({ seed: 0 }))
  const items = probes.map(({ prompt, answer }) => ({
    prompt,
    target: encodeTarget(model.tokenizer, answer)
  }))
  const exact = model.score(items).map(({ argmax }, i) => items[i]!.target.every((id, j) => id === argmax[j]))
  const of = (want: (probe: FactProbe) => boolean): ProbeResult => {
    const chosen = probes.flatMap((probe, i) => (want(probe) ? [Number(exact[i])] : []))
    return { facts: chosen.length, exact: chosen.reduce((a, b) => a + b, 0) / Math.max(1, chosen.length) }
  }
  const kind = (name: FactProbe['kind']) => ({
    ...of((p) => p.kind === name),
    statement: of((p) => p.kind === name && p.form === 'statement'),
    question: of((p) => p.kind === name && p.form === 'question')
  })
  return {
    kinds: { trained: kind('trained'), 'held-out': kind('held-out') },
    relations: Object.fromEntries(
      [...new Set(probes.map((p) => p.relation))].map((r) => [r, of((p) => p.relation === r)])
    )
  }
}
