import type { Comparison } from '../harness/compare/compare'
import {
  conclusion,
  EFFICIENCY_HEADER,
  efficiencyCells,
  FLIP_HEADER,
  flipCells,
  notes,
  PROPERTY_HEADER,
  propertyCells
} from '../harness/compare/text'
import { loadTemplates, replaceFile } from './render'

/** Writes a comparison as a page that is whole in itself. */
export function writeComparison(file: string, comparison: Comparison): void {
  const { layout, comparison: render } = loadTemplates()
  const { properties, flips, flipped, efficiency, base, run } = comparison
  const all = flipped.lost + flipped.won
  const body = render({
    conclusion: conclusion(comparison),
    base: base.id,
    run: run.id,
    header: PROPERTY_HEADER,
    properties: properties.map((c) => ({ cells: propertyCells(c), verdict: c.verdict.replace(' ', '-') })),
    flipHeader: FLIP_HEADER,
    flips: flips.map((f) => ({ cells: flipCells(f), lost: f.lost })),
    shown: flips.length < all ? `the first ${flips.length} of ${all}` : `all ${all}`,
    efficiencyHeader: EFFICIENCY_HEADER,
    efficiency: efficiency.map((e) => ({ cells: efficiencyCells(e) })),
    notes: notes(comparison)
  })
  replaceFile(file, layout({ title: `${run.id} beside ${base.id}`, body }))
}
