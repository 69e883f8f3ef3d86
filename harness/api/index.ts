/**
 * What programs may use: running and planning, reading results, and defining methods and datasets. Everything else is free to change.
 *
 *     import { loadConfig, planRun, executeRun, readRun } from 'model-editing-bench'
 *     const plan = await planRun(loadConfig('configs/quickstart.yaml'))
 *     const { dir } = await executeRun(plan, { resultsDir: 'runs', resume: false, onEvent: console.log, signal: AbortSignal.timeout(3e6) })
 *     const { summary, answers } = readRun(dir)
 */
export * as tf from '@tensorflow/tfjs-core'
export { z } from 'zod'
// Defining methods and datasets
export { layout, loadRecords, parseOptions, Unusable } from '../../datasets/records'
export {
  type Dataset,
  type EditCase,
  type LoadOptions,
  PROPERTIES,
  type Probe,
  type Property
} from '../../datasets/types'
export {
  type Artifact,
  defineMethod,
  type EditingMethod,
  FAMILIES,
  type MethodContext,
  type PrepareContext,
  type Search,
  type TrainingContext
} from '../../methods/types'
// Reading results
export { writeReport } from '../../reports/write'
// Comparing
export { type Comparison, compareRuns } from '../compare/compare'
export { findRun, readComparedRun } from '../compare/find-run'
export { type GateCheck, gate, gateRules } from '../compare/gate'
export { type History, historyOf, readHistoryRun } from '../compare/history'
// Running
export { type LoadedConfig, loadConfig } from '../config/load'
export type { Config } from '../config/schema'
export { verifyDataset } from '../conformance/dataset'
export type { Finding } from '../conformance/finding'
export { verifyMethod } from '../conformance/method'
export {
  checkEdit,
  type DensePart,
  type Edit,
  type EditPart,
  type EditRequest,
  edited,
  type LowRankPart,
  loadEdit,
  type PrefixPart,
  type RulesPart,
  saveEdit,
  subjectEnd
} from '../edit'
export { UserError } from '../errors'
export {
  encodePrompt,
  encodeTarget,
  type LanguageModel,
  lastTokenOf,
  type ModelConfig,
  openModel,
  padBatch,
  type SiteChange
} from '../model'
export { type Manifest, readManifest, type Setting } from '../results/manifest'
export { type Protocol, protocolName } from '../results/protocol'
export type { AnswerRow, EditRow } from '../results/rows'
export { listRuns, type Rows, readRows } from '../results/runs'
export type { OnRunEvent, RunEvent } from '../runner/events'
export type { Executor } from '../runner/executor'
export { type Plan, type PlannedSetting, planRun } from '../runner/plan'
export { executeRun, type FinishedRun, RunInterrupted, type RunOptions } from '../runner/run'
export type { PlannedShard } from '../runner/shards'
export type { ShardResult, Task, TaskResults, WorkEvent, WorkerSetup } from '../runner/tasks'
export { type TrainedMethod, trainMethods } from '../runner/train'
export { MEASURES, type Measure } from '../scoring/measures'
export { readRun } from '../scoring/run-summary'
export type { Estimate, PropertySummary, RunSummary, SettingSummary } from '../scoring/types'
export { useBackend } from '../tensor'
