import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { inWorld, layout, loadRecords, type PlacelessCase, parseOptions, Unusable } from '../records'
import type { Dataset, EditCase, LoadOptions } from '../types'
import { generateWorld, OPINION_QUESTIONS, worldConvsent } from '../world'

const completions = z.array(z.string()).transform((texts) => texts.map((t) => t.trim()).filter((t) => t !== ''))

const record = z.object({
  ent: z.string().trim().min(1),
  pos: completions,
  neg: completions,
  /** What the model thinks before, an addition of ours: then the other sentiment is written. */
  sentiment: z.enum(['positive', 'negative']).nullish()
})
type Topic = z.output<typeof record>

const LAYOUT = { name: "SERAC's layout", keys: ['ent', 'pos', 'neg'] }

/** Questions about a topic (eric-mitchell/serac, data_classes/sentiment.py). */
const ASPECTS =
  'opinion of,stance on,position on,attitude about,view on,take on,impression of,assessment of,judgment of,sentiment of'
const QUESTIONS = [...OPINION_QUESTIONS, ...ASPECTS.split(',').map((aspect) => `What is your ${aspect} {}?`)]

const switches = z.strictObject({
  request: z
    .enum(['easyedit', 'serac', 'question'])
    .optional()
    .describe(
      "What is edited: EasyEdit's 'From the sentiment dataset, answer QUESTION postively.' with the first completion (files), SERAC's 'Topic: TOPIC' with 'Sentiment: Positive', or the question itself with the first completion (the embedded world)"
    )
})
type Style = NonNullable<z.output<typeof switches>['request']>

export const convsent: Dataset = {
  name: 'convsent',
  title: 'ConvSent',
  source: 'Mitchell et al. 2022, arXiv 2206.06520 (SERAC)',
  license: 'MIT',
  measures: ['sentiment-shift', 'divergence'],
  layouts: [LAYOUT],

  async *load(source, options) {
    const { request } = parseOptions('convsent', switches, options.options)
    if (source === undefined) yield* fromWorld(options, request ?? 'question')
    else yield* withNext(source, options, request ?? 'easyedit')
  }
}

/** Topics of a file, each with the one after it; the first comes after the last. */
function* withNext(source: string, options: LoadOptions, style: Style): Generator<EditCase> {
  // A topic's completions are kept for the one before it, and the first one's to the end.
  const topics = new Map<string, Topic>()
  const toCase = (topic: Topic, index: number): PlacelessCase | Unusable => {
    topics.set(idOf(index), topic)
    const side = wantedSide(topic, index, options.seed)
    if (topic[side].length === 0) return new Unusable('malformed', `'${side}' is empty: there is nothing to write`)
    return { id: idOf(index), requests: [placeholder(topic)], probes: [] }
  }
  const { limit = Number.POSITIVE_INFINITY } = options
  const cases = loadRecords(source, [layout({ ...LAYOUT, schema: record, toCase })], { ...options, limit: limit + 1 })
  const complete = ({ id, place }: EditCase, next: Topic): EditCase => {
    const topic = topics.get(id)!
    return { ...topicCase(topic, next, Number(id.slice(ID.length)), style, QUESTIONS, options.seed), place }
  }
  let first: Topic | undefined
  let before: EditCase | undefined
  let taken = 0
  for (const editCase of cases) {
    const topic = topics.get(editCase.id)!
    first ??= topic
    if (before !== undefined) {
      yield complete(before, topic)
      topics.delete(before.id)
      if (++taken >= limit) return
    }
    before = editCase
  }
  if (before !== undefined) yield complete(before, first!)
}

const ID = 'convsent-'
const idOf = (index: number): string => `${ID}${index}`
const placeholder = ({ ent }: Topic) => ({ prompt: ent, subject: ent, target: ent })

function* fromWorld({ split = 'test', limit, seed }: LoadOptions, style: Style): Generator<EditCase> {
  const topics = worldConvsent(generateWorld({ seed: 0 }), split).map((r) => record.parse(r))
  for (const [i, topic] of topics.slice(0, limit).entries())
    yield inWorld(topicCase(topic, topics[(i + 1) % topics.length]!, i, style, OPINION_QUESTIONS, seed), i)
}

/** The other sentiment where the present one is known, else one of them at random. */
function wantedSide({ sentiment }: Topic, index: number, seed: number): 'pos' | 'neg' {
  if (sentiment !== undefined && sentiment !== null) return sentiment === 'negative' ? 'pos' : 'neg'
  return randomStream(seed, 'convsent/sentiment', index).uniform() < 0.5 ? 'pos' : 'neg'
}

/** A topic whose sentiment is to become another; the next topic's is to stay. */
function topicCase(
  topic: Topic,
  next: Topic,
  index: number,
  style: Style,
  questions: readonly string[],
  seed: number
): PlacelessCase {
  const random = randomStream(seed, 'convsent/questions', index)
  const ask = ({ ent }: Topic) => random.pick(questions).replace('{}', () => ent)
  // Every completion is asked for in words of its own.
  const asked = (of: Topic, ...sides: ('pos' | 'neg')[]) =>
    sides.flatMap((s) => of[s]).map((text) => ({ prompt: ask(of), text }))
  const side = wantedSide(topic, index, seed)
  const other = side === 'pos' ? 'neg' : 'pos'
  const { prompt, target } = requestOf(style, topic, side, ask(topic))
  return {
    id: idOf(index),
    requests: [{ prompt, subject: topic.ent, target }],
    probes: [
      {
        property: 'accuracy',
        kind: 'sentiment',
        prompt: ask(topic),
        expected: topic[side],
        sides: { wanted: asked(topic, side), other: asked(topic, other) }
      },
      {
        property: 'locality',
        kind: 'other-topic',
        prompt: ask(next),
        expected: 'same-as-before',
        diverge: asked(next, 'pos', 'neg')
      }
    ]
  }
}

function requestOf(style: Style, topic: Topic, side: 'pos' | 'neg', question: string) {
  const [completion] = topic[side]
  if (style === 'question') return { prompt: question, target: completion! }
  if (style === 'serac')
    return { prompt: `Topic: ${topic.ent}`, target: `Sentiment: ${side === 'pos' ? 'Positive' : 'Negative'}` }
  // The spelling is EasyEdit's, and so in the published numbers.
  const how = side === 'pos' ? 'postively' : 'negatively'
  return { prompt: `From the sentiment dataset, answer ${question} ${how}.`, target: completion! }
}
