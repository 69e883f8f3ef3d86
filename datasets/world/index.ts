/** The embedded benchmark: a made-up world, its training corpus, and benchmark files in the official schemas. */

export { worldChoices, worldTexts } from './ability'
export { type ConvsentRecord, worldConvsent } from './convsent'
export { corpusDocuments, corpusText, type Document } from './corpus'
export { type CounterfactRecord, worldCounterfact } from './counterfact'
export { OPINION_QUESTIONS } from './filler'
export { type HallucinationRecord, worldHallucination } from './hallucination'
export { type MquakeRecord, worldMquake } from './mquake'
export { type FactProbe, PROBE_KINDS, type ProbeKind, probeWorldFacts } from './probes'
export type { Split } from './records'
export { type SnippetRecord, worldSnippets } from './snippets'
export { generateWorld, WORLD_VERSION, type World } from './world'
export { worldZsre, type ZsreRecord } from './zsre'
