import { type Effects, suggestedLayer } from '../harness/tracing/effects'
import { type FactTrace, KINDS, ROLES, type TraceKind, type Traces } from '../harness/tracing/types'
import { drawHeatMap } from './heat-map'
import { loadTemplates, replaceFile } from './render'

/** One model's traces on one dataset. */
export interface TracedSetting {
  readonly model: string
  readonly dataset: string
  readonly samples: number
  readonly window: number
  readonly traces: Traces
  /** Undefined where no fact was traced. */
  readonly effects: Effects | undefined
}

/** Facts that are shown one by one. */
const SHOWN = 6

const TITLES: Readonly<Record<TraceKind, string>> = {
  block: 'one state after a block',
  mlp: 'MLPs of a window of blocks',
  attention: 'attentions of a window of blocks',
  'block, mlps severed': 'one state, the MLPs above it severed',
  'block, attentions severed': 'one state, the attentions above it severed'
}

/** Writes the page of some traces. */
export function writeTraces(file: string, settings: readonly TracedSetting[]): void {
  const { layout, trace: render } = loadTemplates()
  replaceFile(file, layout({ title: 'Where facts live', body: render({ settings: settings.map(settingView) }) }))
}

const percent = (share: number): string => (100 * share).toFixed(1)

function settingView({ model, dataset, samples, window, traces, effects }: TracedSetting) {
  const about = { model, dataset, samples, window, noise: traces.noise.toPrecision(3), unknown: traces.unknown.length }
  if (effects === undefined)
    return { ...about, facts: 0, total: null, suggestion: null, maps: [], severed: null, shown: [] }
  const best = suggestedLayer(effects)
  const { low, high } = best.effect
  return {
    ...about,
    facts: effects.facts,
    total: `${percent(effects.total.mean)} (${percent(effects.total.low)} to ${percent(effects.total.high)})`,
    suggestion: `block ${best.layer}: ${percent(best.effect.mean)} (${percent(low)} to ${percent(high)})`,
    maps: (['block', 'mlp', 'attention'] as const).map((kind) => averageMap(effects, kind)),
    severed: severedMap(effects),
    shown: traces.facts.slice(0, SHOWN).map((trace) => ({
      prompt: trace.fact.prompt,
      answer: trace.answer,
      high: percent(trace.high),
      low: percent(trace.low),
      maps: (['block', 'mlp', 'attention'] as const).map((kind) => factMap(trace, kind))
    }))
  }
}

const layersOf = ({ average }: Effects): string[] =>
  [...new Set(average.map((e) => e.layer))].sort((a, b) => a - b).map(String)

/** Average indirect effects, tokens by their role. */
function averageMap(effects: Effects, kind: TraceKind): string {
  const own = effects.average.filter((e) => e.kind === kind)
  const roles = ROLES.filter((role) => own.some((e) => e.role === role) && role !== 'before the subject')
  return drawHeatMap({
    title: TITLES[kind],
    axis: 'block',
    columns: layersOf(effects),
    rows: roles.map((role) => ({
      name: role,
      marked: role === 'last subject token',
      cells: own
        .filter((e) => e.role === role)
        .map((e) => ({
          value: e.effect.mean,
          about: `${TITLES[kind]}, ${role}, block ${e.layer}: ${percent(e.effect.mean)} (${percent(e.effect.low)} to ${percent(e.effect.high)}), ${e.effect.cases} facts`
        }))
    }))
  })
}

/** What severing takes away at the subject's last token. */
function severedMap(effects: Effects): string {
  const kinds = KINDS.filter((kind) => kind.startsWith('block'))
  return drawHeatMap({
    title: 'last subject token, severed',
    axis: 'block',
    columns: layersOf(effects),
    rows: kinds.map((kind) => ({
      name: kind === 'block' ? 'as it is' : kind.replace('block, ', ''),
      cells: effects.average
        .filter((e) => e.kind === kind && e.role === 'last subject token')
        .map((e) => ({
          value: e.effect.mean,
          about: `${TITLES[kind]}, block ${e.layer}: ${percent(e.effect.mean)} (${percent(e.effect.low)} to ${percent(e.effect.high)})`
        }))
    }))
  })
}

/** A fact's own tokens: how probable the answer becomes, from its probability under noise on. */
function factMap({ tokens, roles, effects, low, high }: FactTrace, kind: TraceKind): string {
  const own = effects.filter((e) => e.kind === kind)
  return drawHeatMap({
    title: TITLES[kind],
    axis: 'block',
    columns: [...new Set(own.map((e) => e.layer))].map(String),
    most: Math.max(1e-6, high - low),
    rows: tokens.map((token, t) => ({
      name: `${token.trim() === '' ? '␣' : token.trim()}${roles[t]!.endsWith('subject token') || roles[t]!.startsWith('middle') ? '*' : ''}`,
      marked: roles[t] === 'last subject token',
      cells: own
        .filter((e) => e.token === t)
        .map((e) => ({ value: e.probability - low, about: `'${token}', block ${e.layer}: ${percent(e.probability)}` }))
    }))
  })
}
