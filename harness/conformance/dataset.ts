import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadCases } from '../../datasets'
import { type Dataset, type EditCase, type LoadOptions, PROPERTIES } from '../../datasets/types'
import { subjectEnd } from '../edit'
import { UserError } from '../errors'
import { findMeasure } from '../scoring/measures'
import { Checks, type Finding, must } from './finding'

const OPTIONS: LoadOptions = { onBadRecord: 'fail', seed: 0 }

/**
 * Checks that a dataset keeps what every dataset promises: cases that can be edited and asked, the same every time, and messages for files that
 * are not its own.
 * @param source file in its format; its part of the embedded world when undefined
 */
export async function verifyDataset(dataset: Dataset, source: string | undefined): Promise<Finding[]> {
  const checks = new Checks()
  const load = async (from: string | undefined, options: LoadOptions = OPTIONS) => {
    const cases: EditCase[] = []
    for await (const c of loadCases(dataset, from, options)) cases.push(c)
    return cases
  }
  await checks.that('its measures are known', () => void dataset.measures.map(findMeasure))
  const cases = await checks.that('it has cases', async () => {
    const all = await load(source)
    must(all.length > 0, 'there is none')
    return all
  })
  if (cases === undefined) return checks.findings
  await checks.that('every case says what it writes, where it stands, and asks whether it was written', () => {
    for (const { id, requests, probes, place } of cases) {
      must(place !== '', `${id} does not say where it stands`)
      for (const request of requests) {
        subjectEnd(request)
        must(request.target.trim() !== '', `${id} writes nothing`)
      }
      for (const { property, prompt, expected } of probes) {
        must(PROPERTIES.includes(property), `${id} asks about '${property}'`)
        must(prompt.trim() !== '', `${id} asks nothing`)
        must(expected === 'same-as-before' || expected.every((e) => e.trim() !== ''), `${id} expects nothing`)
      }
      must(
        probes.some((p) => p.property === 'accuracy'),
        `${id} does not ask what it wrote`
      )
    }
  })
  await checks.that('it gives the same cases every time', async () =>
    must(JSON.stringify(await load(source)) === JSON.stringify(cases), 'they differ')
  )
  await checks.that('a limit gives the first so many', async () => {
    const some = await load(source, { ...OPTIONS, limit: 1 })
    must(JSON.stringify(some) === JSON.stringify(cases.slice(0, 1)), 'they are others')
  })
  await checks.that('an option that it does not have is refused', () =>
    refused(() => load(source, { ...OPTIONS, options: { 'no such option': 1 } }))
  )
  await checks.that('files that are not its own are refused by a message', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-verify-'))
    try {
      for (const [i, text] of ['', '[{"a": 1}]', '{"a": 1}', 'no JSON', '[null]'].entries()) {
        const file = join(dir, `${i}.json`)
        writeFileSync(file, text)
        // A file without records may be one without cases.
        if (text !== '') await refused(() => load(file))
      }
      await refused(() => load(join(dir, 'missing.json')))
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
  return checks.findings
}

async function refused(act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    must(error instanceof UserError, `the error is no UserError: ${(error as Error).message}`)
    return
  }
  throw new Error('it is accepted')
}
