import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { corpusDocuments, generateWorld, probeWorldFacts } from '../datasets/world'
import { openModel } from '../harness/model'
import { useBackend } from '../harness/tensor'

/*
 * What benchmarks/recall.py trains on and traces: the world's corpus as tokens of gptj-mini, with the last token of every name marked, and the facts
 * that `bench probe` asks (docs/where-facts-live.md).
 * `node -r esbuild-register benchmarks/recall.ts FOLDER`
 */

/** Share of the subjects whose texts come first, as in the embedded models' curriculum. */
const EARLY = 0.2

async function main(folder: string): Promise<void> {
  await useBackend('onnxruntime')
  const { tokenizer } = await openModel('gptj-mini')
  const world = generateWorld({ seed: 0 })
  const names = world.entities.flatMap(({ name, alias }) => (alias === undefined ? [name] : [name, alias]))
  const longestFirst = names.sort((a, b) => b.length - a.length)
  const mention = new RegExp(`\\b(?:${longestFirst.join('|')})\\b`, 'gi')
  const endsName = (text: string, ids: readonly number[]) => {
    const ends = new Set([...text.matchAll(mention)].map((m) => m.index + m[0].length))
    let at = 0
    return ids.map((id) => {
      at += tokenizer.decode([id]).length
      return Number(ends.has(at))
    })
  }
  const documents = [...corpusDocuments(world)].map(({ text, about }) => {
    const ids = tokenizer.encode(text)
    return {
      ids: [tokenizer.endOfText, ...ids],
      names: [0, ...endsName(text, ids)],
      early: about?.place === undefined || about.place < EARLY
    }
  })
  const probes = [...probeWorldFacts(world)].map((probe) => {
    const ids = tokenizer.encode(probe.prompt)
    return {
      ...probe,
      ids,
      text: ids.map((id) => tokenizer.decode([id])),
      target: tokenizer.encode(` ${probe.answer}`)
    }
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'docs.json'), JSON.stringify(documents))
  writeFileSync(join(folder, 'probes.json'), JSON.stringify({ probes }))
}

void main(process.argv[2]!)
