import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { jsonElements } from '../json-stream'
import type { EditCase, Probe } from '../types'
import { generateWorld, worldChoices, worldTexts } from '../world'

/*
 * General ability: what has nothing to do with the edits and should stay, asked at every checkpoint of a sequence. Texts, whose likelihood must not fall,
 * and questions with a choice of answers (as lm-evaluation-harness puts them). They are cases that nothing is edited for.
 */

/** Where they come from: a file, or the embedded world. */
export interface AbilitySources {
  readonly texts?: string | undefined
  readonly choices?: string | undefined
}

const textRecord = z.object({ text: z.string().trim().min(1) })
/** Beside items a file may have a header, which names the task. */
const header = z.object({ task: z.string() })
const choiceRecord = z.object({
  query: z.string().trim().min(1),
  choices: z.array(z.string().trim().min(1)).min(2),
  gold: z.number().int().min(0)
})

/** Longer texts are cut at words: about 200 tokens of English, which most models have room for. */
const MOST_CHARACTERS = 800

/** @throws UserError for a file that is none of these, with its line */
export function abilityCases({ texts, choices }: AbilitySources): EditCase[] {
  return [
    ...(texts === undefined
      ? []
      : textsOf(texts).flatMap(({ text, place }) => [...pieces(text)].map((t) => ({ text: t, place })))
    ).map(({ text, place }, i) => caseOf(`general-text-${i}`, place, textProbe(text))),
    ...(choices === undefined ? [] : choicesOf(choices)).map(({ place, ...question }, i) =>
      caseOf(`general-choice-${i}`, place, choiceProbe(question))
    )
  ]
}

/** Nothing is edited: the request stands there because every case has one. */
function caseOf(id: string, place: string, probe: Probe): EditCase {
  return { id, requests: [{ prompt: probe.prompt, subject: probe.prompt, target: '-' }], probes: [probe], place }
}

/** All of a text but its first word is scored. */
function textProbe(text: string): Probe {
  const [prompt] = /^\S+/.exec(text)!
  const rest = text.slice(prompt.length).trim()
  return {
    property: 'locality',
    kind: 'general-text',
    prompt,
    expected: 'same-as-before',
    gold: rest,
    diverge: [{ prompt, text: rest }]
  }
}

const choiceProbe = ({ query, choices, gold }: z.output<typeof choiceRecord>): Probe => ({
  property: 'locality',
  kind: 'general-choice',
  prompt: query,
  expected: [choices[gold]!],
  choices: { texts: choices, right: gold }
})

function* pieces(text: string): Generator<string> {
  let piece = ''
  for (const word of text.split(/\s+/)) {
    if (piece !== '' && piece.length + word.length >= MOST_CHARACTERS) {
      yield piece
      piece = ''
    }
    piece = piece === '' ? word : `${piece} ${word}`
  }
  // One word says nothing.
  if (piece.includes(' ')) yield piece
}

function textsOf(source: string): { text: string; place: string }[] {
  if (source === 'world')
    return worldTexts(generateWorld({ seed: 0 })).map((text) => ({ text, place: 'embedded world' }))
  if (!/\.jsonl?$/.test(source))
    return readFileSync(source, 'utf8')
      .split('\n')
      .map((text, i) => ({ text: text.trim(), place: `${basename(source)}:${i + 1}` }))
      .filter(({ text }) => text.includes(' '))
  return records(source, textRecord)
}

function choicesOf(source: string): (z.output<typeof choiceRecord> & { place: string })[] {
  if (source === 'world')
    return worldChoices(generateWorld({ seed: 0 })).map((c) => ({ ...c, place: 'embedded world' }))
  return records(source, choiceRecord).map((c) => {
    if (c.gold < c.choices.length) return c
    throw new UserError(`'gold' is ${c.gold}, there are ${c.choices.length} choices`, {
      place: c.place,
      hint: 'it counts from 0'
    })
  })
}

function records<T extends object>(file: string, schema: z.ZodType<T>): (T & { place: string })[] {
  const all: (T & { place: string })[] = []
  for (const { text, line } of jsonElements(file)) {
    const place = `${basename(file)}:${line}`
    const value = parse(text, `${file}:${line}`)
    if (all.length === 0 && header.safeParse(value).success) continue
    const parsed = schema.safeParse(value)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new UserError(`${[...issue!.path.map(String), issue!.message].join(': ')}`, {
        place: `${file}:${line}`,
        hint: 'expected are {"text": …}, or {"query": …, "choices": […], "gold": 0}, one a line'
      })
    }
    all.push({ ...parsed.data, place })
  }
  return all
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, {
      place,
      hint: 'expected is an object a line (JSON Lines)'
    })
  }
}
