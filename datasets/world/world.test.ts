import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DATASETS } from '..'
import {
  corpusText,
  generateWorld,
  probeWorldFacts,
  worldConvsent,
  worldCounterfact,
  worldHallucination,
  worldMquake,
  worldZsre
} from '.'
import { RELATIONS } from './relations'
import { pairs } from './world'

const world = generateWorld({ seed: 0 })
const corpus = [...corpusText(world)]
/** Everything that is said in a sentence, or in a question and its answer. */
const said = new Set(
  corpus.flatMap((document) => {
    const sentences = document.split(/(?<=[.?]) /)
    return [...sentences, ...sentences.slice(1).map((next, i) => `${sentences[i]} ${next}`)]
  })
)
const probes = [...probeWorldFacts(world)]

it('is the same world for the same seed, and another for another', () => {
  expect(generateWorld({ seed: 0 }).facts).toEqual(world.facts)
  expect(generateWorld({ seed: 1 }).facts).not.toEqual(world.facts)
})

it('has about a thousand entities, ten relations and more, and unique names', () => {
  expect(world.entities.length).toBeGreaterThan(900)
  expect(new Set(world.facts.map((f) => f.relation.id)).size).toBeGreaterThanOrEqual(10)
  const names = world.entities.filter((e) => e.kind !== 'class').map((e) => e.name)
  expect(new Set(names).size).toBe(names.length)
})

it('shares every part of a name, so that no part says whose it is', () => {
  for (const kind of ['person', 'city', 'country', 'company', 'product']) {
    const own = world.entities.filter((e) => e.kind === kind)
    for (const part of [0, 1] as const) {
      const owners = own.map((e) => own.filter((other) => other.parts![part] === e.parts![part]).length)
      expect(Math.min(...owners)).toBeGreaterThanOrEqual(2)
    }
  }
})

it('pairs parts in a dense band: none twice, each last part about as often, neighbours with partners in common', () => {
  const first = [...'abcdefghij']
  const last = [...Array(20).keys()].map(String)
  const made = pairs(first, last, 60)
  expect(new Set(made.map((p) => p.parts.join())).size).toBe(60)
  const partners = (l: string) => made.filter((p) => p.parts[1] === l).map((p) => p.parts[0])
  expect(last.map((l) => partners(l).length)).toEqual(last.map(() => 3))
  for (const i of last.keys())
    if (i > 0) expect(partners(last[i]!).filter((p) => partners(last[i - 1]!).includes(p)).length).toBeGreaterThan(1)
})

it('has aliases of their own words', () => {
  for (const { name, alias } of world.entities.filter((e) => e.alias !== undefined))
    for (const word of name.split(' ')) expect(alias!.split(' ')).not.toContain(word)
})

it('knows the book’s zebra, whose skin is black', () => {
  const zebra = world.entities.find((e) => e.name === 'zebra')!
  expect(world.factOf('P462', zebra.id)!.object.name).toBe('black')
})

it('states every fact in a dozen documents', () => {
  const lines = new Set(corpus)
  for (const fact of [world.facts[0]!, world.facts[500]!, world.facts[2000]!]) {
    const about = [...lines].filter((l) => l.includes(fact.subject.name) && l.includes(fact.object.name))
    expect(about.length).toBeGreaterThanOrEqual(12)
  }
})

it('has no phrasing that ends with another one, which would give the other away where it is held out', () => {
  for (const { statements, questions } of RELATIONS) {
    const all = [...statements, ...questions]
    expect(all.flatMap((a) => all.filter((b) => a !== b && a.endsWith(b)))).toEqual([])
  }
})

it('never uses a held-out phrasing for its fact', () => {
  for (const { prompt, answer, kind } of probes) {
    if (kind === 'held-out') expect({ prompt, used: said.has(`${prompt} ${answer}.`) }).toEqual({ prompt, used: false })
  }
})

it('never states the chains that models must put together themselves, nor facts under names only said to be one', () => {
  const unstated = probes.filter((p) => p.kind === 'two-hop-unstated' || p.kind === 'alias-untold')
  expect(unstated.length).toBeGreaterThan(500)
  for (const { prompt, answer } of unstated)
    expect({ prompt, used: said.has(`${prompt} ${answer}.`) }).toEqual({ prompt, used: false })
})

it('uses the trained phrasings of the probes', () => {
  const stated = probes.filter((p) => p.kind === 'trained' || p.kind === 'two-hop')
  for (const { prompt, answer } of stated.filter((_, i) => i % 10 === 0))
    expect({ prompt, used: said.has(`${prompt} ${answer}.`) }).toEqual({ prompt, used: true })
})

describe('the benchmark files', () => {
  const splits = { train: worldCounterfact(world, 'train'), test: worldCounterfact(world, 'test') }
  const zsre = { train: worldZsre(world, 'train'), test: worldZsre(world, 'test') }

  it('share no subject between train and test', () => {
    const subjects = (split: 'train' | 'test') => [
      ...splits[split].map((r) => r.requested_rewrite.subject),
      ...zsre[split].map((r) => r.subject)
    ]
    const train = new Set(subjects('train'))
    expect(subjects('test').filter((s) => train.has(s))).toEqual([])
  })

  it('ask CounterFact’s paraphrases in phrasings the corpus never used for that fact', () => {
    for (const { requested_rewrite: r, paraphrase_prompts } of splits.test.slice(0, 200)) {
      for (const paraphrase of paraphrase_prompts) {
        const sentence = paraphrase.split('. ').at(-1)!
        expect(sentence).toContain(r.subject)
        const used = said.has(`${sentence} ${r.target_true.str}.`)
        expect({ sentence, used }).toEqual({ sentence, used: false })
      }
    }
  })

  it('give every CounterFact record ten neighbours that share its object', () => {
    const object = new Map(world.facts.map((f) => [`${f.relation.id} ${f.subject.name}`, f.object.name]))
    for (const { requested_rewrite: r, neighborhood_prompts } of splits.test.slice(0, 50)) {
      expect(neighborhood_prompts).toHaveLength(10)
      for (const prompt of neighborhood_prompts) {
        const [before, after] = r.prompt.split('{}') as [string, string]
        const name = prompt.slice(before.length, after === '' ? undefined : -after.length)
        const found = object.get(`${r.relation_id} ${name}`) ?? object.get(`${r.relation_id} ${name.toLowerCase()}`)
        if (before !== '') expect(found).toBe(r.target_true.str)
      }
    }
  })

  it('ask for portability by alias, inverse and one hop', () => {
    expect(splits.test.some((r) => r.portability !== undefined && r.alternative_subject !== undefined)).toBe(true)
    expect(zsre.test.some((r) => r['inverse question'] !== undefined)).toBe(true)
    for (const { fact, end } of splits.test.flatMap((r) =>
      r.portability === undefined ? [] : [{ fact: r.requested_rewrite, end: r.portability['New Answer'] }]
    ))
      expect(end).not.toBe(fact.target_new.str)
  })

  it('ask the same about others that share the first, and the last part of the name', () => {
    const [record] = splits.test.filter((r) => r.same_last_part_prompts !== undefined)
    const { prompt, subject } = record!.requested_rewrite
    const [first, last] = subject.split(' ') as [string, string]
    expect(record!.same_first_part_prompts!.length).toBeGreaterThan(0)
    expect(record!.same_last_part_prompts!.length).toBeGreaterThan(0)
    for (const p of record!.same_first_part_prompts!) expect(p).toContain(prompt.replace('{}', first).trim().slice(-9))
    for (const p of record!.same_last_part_prompts!) {
      expect(p).toContain(` ${last}`)
      expect(p).not.toContain(subject)
    }
  })

  const files: Record<string, unknown> = {
    counterfact: splits.test,
    zsre: zsre.test,
    mquake: worldMquake(world, 'test'),
    hallucination: worldHallucination(world, 'test'),
    convsent: worldConvsent(world, 'test')
  }

  it('edit the first, the second or both facts of a chain, which then leads elsewhere', () => {
    const which = new Set<string>()
    for (const { orig, answer, new_answer, new_single_hops, requested_rewrite } of worldMquake(world, 'test')) {
      which.add(orig.edit_triples_idx.join())
      expect(new_answer).not.toBe(answer)
      expect(new_single_hops.at(-1)!.answer).toBe(new_answer)
      expect(new_single_hops[1]!.cloze).toContain(new_single_hops[0]!.answer)
      expect(orig.edit_triples).toEqual(orig.edit_triples_idx.map((i) => orig.new_triples[i]))
      expect(requested_rewrite.length).toBe(orig.edit_triples.length)
    }
    expect([...which].sort()).toEqual(['0', '0,1', '1'])
  })

  it('tell biographies in the sentences of the corpus, of which one becomes another', () => {
    const sentences = new Set(corpus.flatMap((text) => text.split(/(?<=\.) /)))
    for (const r of worldHallucination(world, 'test')) {
      for (const { prompt, sentence } of r.accurate) {
        expect(r.prompt.startsWith(prompt)).toBe(true)
        expect(sentences.has(sentence)).toBe(true)
      }
      expect(r.prompt).not.toContain(r.target_new)
      expect(
        corpus.some((text) => text.startsWith(`All about`) && text.includes(r.prompt) && text.includes(r.target_new))
      ).toBe(false)
    }
  })

  it.each(DATASETS.filter((d) => d.needsFile !== true).map((d) => [d.name, d] as const))(
    'of %s load through the official loader',
    async (name, dataset) => {
      const dir = mkdtempSync(join(tmpdir(), 'bench-world-'))
      try {
        const file = join(dir, 'file.json')
        writeFileSync(file, JSON.stringify(files[name]))
        const options = { onBadRecord: 'fail', seed: 0, split: 'test', limit: 100 } as const
        const collect = async (source: string | undefined) => {
          const cases: unknown[] = []
          // Topics are asked about in the questions of the corpus, those of files in all of SERAC's.
          for await (const { place, ...c } of dataset.load(source, options))
            cases.push(name === 'convsent' ? [c.id, c.probes[0]!.expected] : c)
          return cases
        }
        expect(await collect(file)).toEqual(await collect(undefined))
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
  )
})
