/** The embedded benchmark: a made-up world, its training corpus, and benchmark files in the official schemas. */
export { corpusText } from './corpus'
export { type CounterfactRecord, worldCounterfact } from './counterfact'
export { type FactProbe, probeFacts } from './probes'
export type { Split } from './records'
export { generateWorld, WORLD_VERSION, type World } from './world'
export { worldZsre, type ZsreRecord } from './zsre'
