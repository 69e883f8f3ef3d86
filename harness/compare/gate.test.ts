import { loadRules } from '../config/load'
import type { Comparison, Flip, PropertyComparison } from './compare'
import { type GateRules, gate, gateMarkdown, gateRules, junitXml } from './gate'

const property = (change: Partial<PropertyComparison> = {}): PropertyComparison => ({
  ...{ setting: 's', label: 'rome', model: 'm', dataset: 'd', protocol: 'single', property: 'accuracy', kind: null },
  ...{ measure: null, unit: 'share', higherIsBetter: true },
  ...{ verdict: 'same', note: null, base: 0.9, run: 0.85, difference: { mean: -0.05, low: -0.1, high: 0 } },
  ...{ cases: 100, lost: 5, won: 0, p: 0.06, adjustedP: 0.06 },
  ...change
})
it('fails for a measure that is significantly worse, and keeps drops and floors to the properties', () => {
  const ppl = property({
    ...{ measure: 'PPL', unit: 'number', higherIsBetter: false, base: 3, run: 5, adjustedP: 0.001 },
    difference: { mean: 2, low: 1, high: 3 }
  })
  const rules = gateRules.parse({ largest_drop: [{ by: 0 }], floors: [{ at_least: 1 }] })
  const checks = gate(comparison({ properties: [ppl] }), rules)
  expect(checks.map((c) => c.failure)).toEqual([
    'accuracy, PPL rose from 3 to 5 (5 edits lost, 0 won, adjusted p 0.0010)',
    'the run has no such number'
  ])
  const better = property({ ...ppl, difference: { mean: -2, low: -3, high: -1 } })
  expect(gate(comparison({ properties: [better] }), gateRules.parse({})).every((c) => c.failure === undefined)).toBe(
    true
  )
})

const flip: Flip = {
  ...{ setting: 's', protocol: 'single', caseId: 'c7', property: 'accuracy', kind: 'rewrite', prompt: 'What <is> it?' },
  ...{ expected: 'yes', before: 'no', base: 'yes', run: 'no', lost: true }
}
const comparison = (change: Partial<Comparison> = {}): Comparison => ({
  ...{ base: { id: 'a', startedAt: '' }, run: { id: 'b', startedAt: '' }, verdict: 'same', properties: [property()] },
  ...{ flips: [flip], flipped: { lost: 5, won: 0 }, efficiency: [], efficiencyNote: null },
  ...change
})
const rules = (change: object = {}): GateRules => gateRules.parse(change)
const failures = (c: Comparison, r: object = {}) => gate(c, rules(r)).flatMap(({ failure }) => failure ?? [])

it('passes a run that is not significantly worse, and fails one that is, naming its first lost answer', () => {
  expect(failures(comparison())).toEqual([])
  const worse = comparison({ properties: [property({ adjustedP: 0.01 })] })
  expect(failures(worse)).toEqual([
    'accuracy fell from 90.0 % to 85.0 % (5 edits lost, 0 won, adjusted p 0.010); first: case c7, "What <is> it?", expected "yes", the baseline said "yes", the run says "no"'
  ])
  expect(failures(worse, { significance: false })).toEqual([])
  expect(
    failures(comparison({ properties: [property({ adjustedP: 0.01, difference: { mean: 0.05, low: 0, high: 0.1 } })] }))
  ).toEqual([])
})

it('heeds drops, floors and slowdowns, of what they are about', () => {
  const two = comparison({
    properties: [property(), property({ property: 'locality', base: 0.5, run: 0.45 })],
    efficiency: [{ setting: 's', what: 'time', base: 10, run: 25, ratio: 2.5 }]
  })
  expect(failures(two, { largest_drop: [{ by: 0.05 }] })).toEqual([])
  expect(failures(two, { largest_drop: [{ by: 0.02, property: 'locality' }] })).toEqual([
    expect.stringMatching(/^locality fell/)
  ])
  expect(failures(two, { floors: [{ at_least: 0.9, property: 'accuracy' }] })).toEqual([
    expect.stringMatching(/^accuracy is 85\.0 %; first: case c7/)
  ])
  expect(failures(two, { floors: [{ at_least: 0.4 }] })).toEqual([])
  expect(failures(two, { floors: [{ at_least: 0.4, label: 'memit' }] })).toEqual(['the run has no such number'])
  expect(failures(two, { slowdown: 2 })).toEqual(['it grew from 10.0 to 25.0 ms, × 2.50'])
  expect(failures(two, { slowdown: 3 })).toEqual([])
  const quick = { ...two, efficiency: [{ setting: 's', what: 'time' as const, base: 0.1, run: 3, ratio: 30 }] }
  expect(failures(quick, { slowdown: 2 })).toEqual([])
})

it('means properties alone, unless a rule names a kind that is reported apart', () => {
  const apart = property({ property: 'locality', kind: 'same-last-part', base: 0.5, run: 0.4 })
  const both = comparison({ properties: [property({ property: 'locality', base: 0.9, run: 0.9 }), apart] })
  expect(failures(both, { floors: [{ at_least: 0.8, property: 'locality' }] })).toEqual([])
  expect(failures(both, { floors: [{ at_least: 0.8, property: 'locality', kind: 'same-last-part' }] })).toEqual([
    'locality, same-last-part is 40.0 %'
  ])
})

it('fails what is missing unless told otherwise, but not what is new', () => {
  const of = (note: string) =>
    comparison({ properties: [property({ base: null, run: null, difference: null, p: null, adjustedP: null, note })] })
  expect(failures(of('the run has no such setting'))).toEqual(['the run has no such setting'])
  expect(failures(of('the run has no such setting'), { missing: 'pass' })).toEqual([])
  expect(failures(of('the baseline has no such setting'))).toEqual([])
})

it('writes JUnit XML that holds together, and Markdown', () => {
  const checks = gate(comparison({ properties: [property({ adjustedP: 0.01, label: 'a"&<b>\u0000' })] }), rules())
  const xml = junitXml(checks)
  expect(xml).toContain('<testsuites name="bench gate" tests="1" failures="1" time="0">')
  expect(xml).toContain('<testsuite name="a&quot;&amp;&lt;b&gt; on m, d, single" tests="1" failures="1">')
  expect(xml).toMatch(/<failure message="accuracy fell .*What &lt;is&gt; it\?.*"\/>/)
  expect(gateMarkdown(checks)).toMatch(/^❌ 1 of 1 checks fail\n\n- \*\*a/)
  expect(gateMarkdown(gate(comparison(), rules()))).toBe('✅ all 1 checks hold')
})

it('the rules that come with the project are rules', () => {
  expect(loadRules('configs/gate/nightly.yaml', gateRules)).toMatchObject({ significance: 0.05, slowdown: 2 })
})
