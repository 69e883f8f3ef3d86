import { fileName } from '../harness/file-name'
import type { AnswerRow } from '../harness/results/rows'
import type { Estimate, MeasureSummary, RunSummary, SettingSummary } from '../harness/scoring/types'
import { bytes, flops, interval, milliseconds, moment, NOT_MEASURED, percent, seconds, showOf } from './format'
import { cutPoints, propertyCells } from './leaderboard'
import { retentionView } from './retention'

/** Cases of a setting whose answers the page shows; all of them are in answers.arrow. */
const SHOWN_CASES = 20

/** What the template of a run's page gets. */
export function runPage(run: RunSummary, answers: Iterable<AnswerRow>) {
  const samples = sampleAnswers(answers)
  const { machine } = run
  return {
    id: run.id,
    name: run.name,
    facts: [
      ['Started', moment(run.startedAt)],
      ['Took', seconds(run.seconds)],
      ['Seed', String(run.seed)],
      ['Version', run.gitCommit === undefined ? run.version : `${run.version} (${run.gitCommit.slice(0, 10)})`],
      ['Machine', `${machine.cpu}, ${machine.cores} cores, ${bytes(machine.memoryBytes)}, ${machine.platform}`],
      ['Runtime', `Node.js ${machine.node}, backend ${machine.backend}, ${machine.workers} workers`]
    ].map(([term, text]) => ({ term, text })),
    settings: run.settings.map((setting) =>
      settingView(run, setting, samples.get(setting.id.replace(/--at-once$/, '')) ?? [])
    )
  }
}

function settingView(run: RunSummary, setting: SettingSummary, answers: readonly AnswerRow[]) {
  const { label, method, model, dataset, efficiency } = setting
  const { malformed, noEdit } = dataset.skipped
  return {
    id: setting.id,
    title: `${method.title} on ${model.name}, ${dataset.title}${setting.protocol === 'single' ? '' : `, ${setting.protocol}`}`,
    about: [
      `label ${label}`,
      `${dataset.title} from ${dataset.source}: ${setting.cases} cases`,
      ...(malformed > 0 ? [`${malformed} malformed records left out`] : []),
      ...(noEdit > 0 ? [`${noEdit} records that change nothing left out`] : []),
      ...Object.entries({ ...dataset.options, protocol: setting.protocol, ...setting.scoring }).map(
        ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`
      ),
      `model ${model.hash.slice(0, 12)}, data ${dataset.hash.slice(0, 12)}`
    ].join(' · '),
    source: method.source,
    cutPoints: cutPoints(run),
    answersHref: `${fileName(run.id)}.answers.csv`,
    valuesFrom: method.valuesFrom,
    hyperparameters: Object.entries(method.hyperparameters).map(([name, value]) => ({
      name,
      value: JSON.stringify(value)
    })),
    cells: propertyCells(setting),
    kinds: setting.kinds.map((k) => ({
      property: k.property,
      kind: k.kind,
      edits: k.edited.cases,
      probes: k.probes,
      longer: k.longer,
      edited: number(k.edited),
      base: percent(k.base.mean),
      share: percent(k.tokenShare.mean),
      baseShare: percent(k.baseTokenShare.mean),
      known: k.granted === undefined ? '' : percent(k.granted.known.mean),
      ofKnown: k.granted?.edited === undefined ? '' : percent(k.granted.edited.mean)
    })),
    measures: setting.measures.map(measureTable),
    retention: retentionView(setting),
    efficiency: [
      ['Time per fact, median', milliseconds(efficiency.msPerEdit?.median)],
      ['Time per fact, mean', milliseconds(efficiency.msPerEdit?.mean)],
      ['Computed together', together(efficiency.together)],
      ['Setup, once', setupText(efficiency.setup)],
      ...(efficiency.setup.training === undefined ? [] : [['Training, once', trainingText(efficiency.setup.training)]]),
      ['Matrix FLOPs per fact', flops(efficiency.flopsPerEdit)],
      ['Peak tensor memory while editing', bytes(efficiency.peakBytes)],
      ['Stored per edit', bytes(efficiency.bytesPerEdit)],
      ['Many facts in one edit', efficiency.holdsMany ? '✓ yes' : '✗ no']
    ].map(([term, text]) => ({ term, text })),
    failed: setting.failed,
    answers: answers.map((a) => ({ ...a, base: a.property === 'locality' })),
    shownCases: new Set(answers.map((a) => a.caseId)).size
  }
}

/** Time and memory of edits that are computed together are shared. */
const together = (edits: number | undefined): string =>
  edits === undefined
    ? NOT_MEASURED
    : edits === 1
      ? 'one by one'
      : `${edits} facts at a time; time and memory are shared`

const trainingText = ({ ms, how }: NonNullable<SettingSummary['efficiency']['setup']['training']>): string =>
  `${milliseconds(ms)}${how === 'cached' ? ', from the cache' : ''}`

function setupText({ ms, parts }: SettingSummary['efficiency']['setup']): string {
  const what = parts.map((p) => `${p.what} ${p.how === 'cached' ? 'from the cache' : 'computed'}`)
  return what.length === 0 ? 'none' : `${milliseconds(ms)}: ${what.join(', ')}`
}

const number = (e: Estimate) => ({ value: percent(e.mean), interval: interval(e) })

function measureTable({ title, unit, values, composite }: MeasureSummary) {
  const show = showOf(unit)
  const rows = values.map(({ label, edited, base }) => ({
    name: label,
    edited: show(edited.mean),
    interval: interval(edited, show),
    base: show(base.mean)
  }))
  if (composite === undefined) return { title, rows }
  const { label, edited, base } = composite
  return { title, rows: [...rows, { name: label, edited: show(edited), interval: '', base: show(base) }] }
}

/** The answers of each setting's first cases. */
function sampleAnswers(answers: Iterable<AnswerRow>): Map<string, AnswerRow[]> {
  const shown = new Map<string, { cases: Set<string>; answers: AnswerRow[] }>()
  for (const answer of answers) {
    const setting = shown.get(answer.setting) ?? { cases: new Set(), answers: [] }
    shown.set(answer.setting, setting)
    if (!setting.cases.has(answer.caseId) && setting.cases.size >= SHOWN_CASES) continue
    setting.cases.add(answer.caseId)
    setting.answers.push(answer)
  }
  return new Map([...shown].map(([id, setting]) => [id, setting.answers]))
}
