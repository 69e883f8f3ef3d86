/** The embedded benchmark: a made-up world, its training corpus, and benchmark files in the official schemas. */
export { corpusDocuments, corpusText, type Document } from './corpus'
export { type CounterfactRecord, worldCounterfact } from './counterfact'
export { type FactProbe, PROBE_KINDS, type ProbeKind, probeWorldFacts } from './probes'
export type { Split } from './records'
export { generateWorld, WORLD_VERSION, type World } from './world'
export { worldZsre, type ZsreRecord } from './zsre'
