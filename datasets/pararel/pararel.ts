import { z } from 'zod'
import { findSubject } from '../../harness/edit'
import { groupBy } from '../../harness/group-by'
import { type Random, randomStream } from '../../harness/random'
import { poolOf } from '../pool'
import { layout, loadRecords, needsFile, type PlacelessCase, parseOptions, Unusable } from '../records'
import type { Dataset, Probe } from '../types'
import { sharedWords } from '../words'

/** A bag: one fact in several sentences, each with a gap, the answer, and its relation. */
const bag = z.array(z.tuple([z.string(), z.string(), z.string()])).min(1)
type Bag = z.output<typeof bag>

const LAYOUT = { name: 'bags of Knowledge Neurons', keys: ['0', '1'] }

/** Others whose answers must stay, of the same relation and of another one. */
const OTHERS = 2

export const pararel: Dataset = {
  name: 'pararel',
  title: 'ParaRel',
  source: 'Elazar et al. 2021, arXiv 2102.01017; as bags of Dai et al. 2022, arXiv 2104.08696',
  license: 'MIT',
  measures: [],
  needsFile: true,
  layouts: [LAYOUT],

  async *load(source, options) {
    parseOptions('pararel', z.strictObject({}), options.options)
    if (source === undefined) throw needsFile(pararel, 'github.com/Hunter-DDM/knowledge-neurons, data/PARAREL')
    const facts = factsOf(source)
    const bags = layout({
      ...LAYOUT,
      schema: bag,
      toCase: (b, index) => toCase(b, index, facts, randomStream(options.seed, 'pararel', index))
    })
    yield* loadRecords(source, [bags], options)
  }
}

interface KnownFact {
  readonly prompt: string
  readonly answer: string
}

/** What the whole file knows of each relation: targets and neighbours are drawn from it. */
function factsOf(source: string): Map<string, KnownFact[]> {
  const all = poolOf(source, bag, (sentences) => {
    const [prompt] = promptsOf(sentences)
    const [, answer, relation] = sentences[0]!
    return prompt === undefined ? [] : [{ prompt, answer, relation }]
  })
  return groupBy(all, (fact) => fact.relation)
}

/** Sentences whose gap is at the end, up to it: the others have no left to right answer. */
const promptsOf = (sentences: Bag): string[] =>
  sentences.flatMap(([sentence]) => /^(.*\S)\s*\[MASK\]\s*\.?\s*$/.exec(sentence)?.slice(1) ?? [])

function toCase(
  sentences: Bag,
  index: number,
  facts: ReadonlyMap<string, readonly KnownFact[]>,
  random: Random
): PlacelessCase | Unusable {
  const [prompt, ...paraphrases] = promptsOf(sentences)
  if (prompt === undefined) return new Unusable('malformed', 'no sentence has its gap at the end')
  const [, answer, relation] = sentences[0]!
  const own = facts.get(relation) ?? []
  const targets = [...new Set(own.map((f) => f.answer))].filter((a) => a !== answer)
  if (targets.length === 0)
    return new Unusable('malformed', `no other answer of ${relation} in the file: there is nothing to write`)
  const subject = sharedWords(prompt, paraphrases)
  const subjectAt = subject === undefined ? undefined : findSubject(prompt, subject)
  if (subject === undefined || subjectAt === undefined)
    return new Unusable('malformed', `no subject is in all of its sentences: '${prompt}'`)
  const target = random.pick(targets)
  const near = random.shuffle(own.filter((f) => f.answer !== answer && f.prompt !== prompt)).slice(0, OTHERS)
  const elsewhere = [...facts.keys()].filter((r) => r !== relation)
  const far = random
    .shuffle(elsewhere)
    .slice(0, OTHERS)
    .map((r) => random.pick(facts.get(r)!))
  const stays = (kind: string, others: readonly KnownFact[]) =>
    others.map(
      (f): Probe => ({ property: 'locality', kind, prompt: f.prompt, expected: 'same-as-before', gold: f.answer })
    )
  return {
    id: `pararel-${index}`,
    requests: [{ prompt, subject, subjectAt, target, previousTarget: answer }],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt, expected: [target] },
      ...paraphrases.map((p): Probe => ({ property: 'generality', kind: 'paraphrase', prompt: p, expected: [target] })),
      ...stays('neighbourhood', near),
      ...stays('unrelated', far)
    ]
  }
}
