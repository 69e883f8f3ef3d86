import type { EditCase } from '../../datasets/types'
import { chunks } from '../chunks'
import type { Config } from '../config/schema'
import { groupBy } from '../group-by'
import type { ModelConfig } from '../model'
import type { Protocol } from '../results/protocol'
import type { Plan, PlannedDataset, PlannedSetting } from './plan'
import { cuts, insertsOneByOne } from './protocol'

/*
 * How the work of a run is cut: what is computed together, stored together and lost together, and what rests on what.
 */

/** Cases that are computed and stored together: by all methods, or as a link in the chain of one. */
export interface PlannedShard {
  readonly index: number
  readonly model: string
  readonly dataset: PlannedDataset
  readonly protocol: Protocol
  readonly cases: readonly EditCase[]
  /** Index of the first case among those of its settings. */
  readonly start: number
  readonly settings: readonly PlannedSetting[]
  /** Of a chain: the shard before, whose edit it goes on from. Of a batch that is asked in parts: the first part, which makes the edit. */
  readonly previous?: number
  /** Of the first part of a batch that is asked in parts: all cases of the batch. */
  readonly batch?: readonly EditCase[]
  /** Of a chain: whether all cases so far are asked again at its end. */
  readonly checkpoint: boolean
}

/** Small models leave cores idle when one process spreads its kernels over all of them. */
const SMALL_MODEL = 200e6

export const isSmall = (m: ModelConfig): boolean =>
  m.layers * (4 * m.dim ** 2 + 2 * m.dim * m.ffDim) + 2 * m.vocab * m.dim < SMALL_MODEL

/** A chain; and batches so large that an hour may lie in them, which several workers share, and an interruption should not lose. */
export const hasShardsOfItsOwn = ({ shard_size }: Pick<Config, 'shard_size'>, { protocol }: PlannedSetting): boolean =>
  protocol.kind === 'sequential' || (protocol.kind === 'batch' && protocol.size > shard_size)

/** Cases whose facts are sought by one worker, and lost with it. */
const SOUGHT_TOGETHER = 50

/** The cases of a setting whose facts are sought apart from their edits, cut alike whatever batches they are edited in; none where methods seek while they edit. */
export function soughtApart(config: Pick<Config, 'shard_size'>, setting: PlannedSetting): EditCase[][] {
  const { editing, protocol, cases } = setting
  const apart = editing.search !== undefined && protocol.kind === 'batch' && hasShardsOfItsOwn(config, setting)
  return apart && !insertsOneByOne(editing, protocol) ? chunks(cases, SOUGHT_TOGETHER) : []
}

/** Cases of a large batch that one worker asks. */
const ASKED_TOGETHER = 100

/**
 * The parts in which a shard of its own that is a batch is asked, by several workers side by side. An edit of a large model is too large to be handed around;
 * and of cases that are inserted in order, what is asked in between is known only where they are edited.
 */
function partsOf(model: ModelConfig, protocol: Protocol, cases: readonly EditCase[]): (readonly EditCase[])[] {
  const inParts = protocol.kind === 'batch' && isSmall(model) && cases.every((c) => c.inOrder !== true)
  return inParts ? chunks(cases, ASKED_TOGETHER) : [cases]
}

export function planShards(
  config: Config,
  settings: readonly PlannedSetting[],
  models: Plan['models']
): PlannedShard[] {
  const shards: PlannedShard[] = []
  // Settings that ask the same cases in the same way share their shards, and with them what the unedited model says.
  const groups = groupBy(settings, (s) =>
    JSON.stringify([s.model, s.dataset.label, s.protocol, hasShardsOfItsOwn(config, s) ? s.id : null])
  )
  for (const together of groups.values()) {
    const { model, dataset, protocol, cases } = together[0]!
    const chained = protocol.kind === 'sequential'
    let start = 0
    for (const end of cuts(protocol, cases.length, config.shard_size)) {
      const batch = cases.slice(start, end)
      const parts = hasShardsOfItsOwn(config, together[0]!) ? partsOf(models[model]!, protocol, batch) : [batch]
      const first = shards.length
      for (const [i, part] of parts.entries()) {
        const previous = i > 0 ? first : chained && start > 0 ? shards.length - 1 : undefined
        shards.push({
          index: shards.length,
          model,
          dataset,
          protocol,
          cases: part,
          start,
          settings: together,
          ...(previous === undefined ? {} : { previous }),
          ...(i === 0 && parts.length > 1 ? { batch } : {}),
          checkpoint: chained && protocol.askAfter.includes(end)
        })
        start += part.length
      }
    }
  }
  return shards
}
