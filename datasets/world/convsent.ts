import { randomStream } from '../../harness/random'
import { NEGATIVE_OPINIONS, POSITIVE_OPINIONS } from './filler'
import type { Split } from './records'
import type { World } from './world'

/** A record in the layout of SERAC's blender_test.json, with what the world thinks, an addition of ours. */
export interface ConvsentRecord {
  readonly ent: string
  readonly pos: readonly string[]
  readonly neg: readonly string[]
  readonly sentiment: 'positive' | 'negative'
}

/** ConvSent of the world: every topic with the opinions of the corpus, each with a space before and after it as in the official files. */
export function worldConvsent(world: World, split: Split): ConvsentRecord[] {
  const topics = world.topics.filter(
    ({ name }) => randomStream(world.seed, 'world/convsent/split', name).uniform() < 0.5 === (split === 'train')
  )
  const said = (opinions: readonly string[], topic: string) => opinions.map((o) => ` ${o.replace('{}', topic)} `)
  return randomStream(world.seed, 'world/convsent/order', split)
    .shuffle(topics)
    .map(({ name, sentiment }) => ({
      ent: name,
      pos: said(POSITIVE_OPINIONS, name),
      neg: said(NEGATIVE_OPINIONS, name),
      sentiment
    }))
}
