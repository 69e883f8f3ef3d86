import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UserError } from '../../harness/errors'
import { corpusText, generateWorld } from '../world'
import { abilityCases } from '.'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-ability-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const put = (name: string, content: string) => {
  writeFileSync(join(dir, name), content)
  return join(dir, name)
}
const complaint = (sources: Parameters<typeof abilityCases>[0]) => {
  try {
    abilityCases(sources)
  } catch (error) {
    return (error as UserError).format().replaceAll(`${dir}/`, '')
  }
  return 'nothing was wrong'
}

it('asks the world for texts that the corpus does not have, and for facts that no edit changes', () => {
  const world = generateWorld({ seed: 0 })
  const corpus = new Set(corpusText(world))
  const cases = abilityCases({ texts: 'world', choices: 'world' })
  const [texts, choices] = ['general-text', 'general-choice'].map((kind) =>
    cases.filter((c) => c.probes[0]!.kind === kind)
  )
  expect([texts!.length, choices!.length]).toEqual([20, 32])
  for (const { probes } of texts!) {
    const { prompt, gold, diverge } = probes[0]!
    expect(corpus.has(`${prompt} ${gold}`)).toBe(false)
    expect(diverge).toEqual([{ prompt, text: gold }])
  }
  for (const { probes } of choices!) {
    const { choices: c, expected } = probes[0]!
    expect(new Set(c!.texts).size).toBe(4)
    expect([c!.texts[c!.right!]]).toEqual(expected)
  }
  // The right one is not always at the same place.
  expect(new Set(choices!.map((c) => c.probes[0]!.choices!.right)).size).toBeGreaterThan(2)
})

it('reads texts a line or as JSON Lines, cut where they are long, each but its first word', () => {
  const long = Array.from({ length: 300 }, (_, i) => `word${i}`).join(' ')
  const lines = abilityCases({ texts: put('a.txt', `One two three.\n\nalone\n${long}\n`) })
  expect(lines.map((c) => c.place)).toEqual(['a.txt:1', 'a.txt:4', 'a.txt:4', 'a.txt:4'])
  expect(lines[0]!.probes[0]).toMatchObject({ prompt: 'One', gold: 'two three.' })
  expect(
    lines
      .slice(1)
      .map((c) => `${c.probes[0]!.prompt} ${c.probes[0]!.gold}`)
      .join(' ')
  ).toBe(long)
  const json = abilityCases({ texts: put('a.jsonl', '{"text":"One two three."}\n') })
  expect(json[0]!.probes).toEqual(lines[0]!.probes)
})

it('reads choices as JSON Lines, after a header or none', () => {
  const item = '{"id":"p1","query":"Question: How?\\nAnswer: ","choices":["So.","Thus."],"gold":1}'
  const [bare] = abilityCases({ choices: put('a.jsonl', item) })
  expect(bare!.probes[0]).toMatchObject({
    prompt: 'Question: How?\nAnswer:',
    expected: ['Thus.'],
    choices: { texts: ['So.', 'Thus.'], right: 1 }
  })
  const [headed, ...more] = abilityCases({ choices: put('b.jsonl', `{"task":"piqa","version":1}\n${item}`) })
  expect(more).toEqual([])
  expect(headed!.place).toBe('b.jsonl:2')
})

it('names what is wrong by its line', () => {
  expect(complaint({ choices: put('a.jsonl', '{"query":"a","choices":["b"],"gold":0}') })).toMatch(
    /^a\.jsonl:1: choices: .*\n.*"query"/
  )
  expect(complaint({ choices: put('a.jsonl', '{"query":"a","choices":["b","c"],"gold":2}') })).toMatch(
    /a\.jsonl:1: 'gold' is 2, there are 2 choices/
  )
  expect(complaint({ texts: put('a.jsonl', '{"text":"a b"}\n{"text":') })).toMatch(/a\.jsonl:2: not JSON/)
})
