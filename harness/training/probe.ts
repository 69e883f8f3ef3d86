import { type FactProbe, generateWorld, PROBE_KINDS, type ProbeKind, probeWorldFacts } from '../../datasets/world'
import { encodeTarget, type LanguageModel } from '../model'

/** Share of facts a model answers by greedy decoding, exactly. */
export interface ProbeResult {
  readonly facts: number
  readonly exact: number
}

export interface ProbeReport {
  /** Each with its statements and questions. */
  readonly kinds: Readonly<Record<ProbeKind, ProbeResult & Readonly<Record<FactProbe['form'], ProbeResult>>>>
  /** Of facts asked under their own subject's name. */
  readonly relations: Readonly<Record<string, ProbeResult>>
}

/**
 * Asks a model every fact of the embedded world. Greedy decoding gives the answer exactly if and only if, teacher-forced, every
 * token of it is the model's own choice.
 */
export function probeWorld(model: LanguageModel): ProbeReport {
  const probes = [...probeWorldFacts(generateWorld({ seed: 0 }))]
  const items = probes.map(({ prompt, answer }) => ({
    prompt,
    target: encodeTarget(model.tokenizer, answer)
  }))
  const exact = model.score(items).map(({ argmax }, i) => items[i]!.target.every((id, j) => id === argmax[j]))
  const of = (want: (probe: FactProbe) => boolean): ProbeResult => {
    const chosen = probes.flatMap((probe, i) => (want(probe) ? [Number(exact[i])] : []))
    return { facts: chosen.length, exact: chosen.reduce((a, b) => a + b, 0) / Math.max(1, chosen.length) }
  }
  const kind = (name: ProbeKind) => ({
    ...of((p) => p.kind === name),
    statement: of((p) => p.kind === name && p.form === 'statement'),
    question: of((p) => p.kind === name && p.form === 'question')
  })
  const direct = (p: FactProbe) => p.kind === 'trained' || p.kind === 'held-out'
  const relations = new Set(probes.filter(direct).map((p) => p.relation))
  const names = Object.keys(PROBE_KINDS) as ProbeKind[]
  return {
    kinds: Object.fromEntries(names.map((name) => [name, kind(name)])) as ProbeReport['kinds'],
    relations: Object.fromEntries([...relations].map((r) => [r, of((p) => direct(p) && p.relation === r)]))
  }
}
