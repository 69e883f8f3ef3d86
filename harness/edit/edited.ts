import { createHash } from 'node:crypto'
import * as tf from '@tensorflow/tfjs-core'
import type { ChangesOf, LanguageModel } from '../model'
import { changesUnder, generateEdited, joinChanges, scoreEdited } from './apply'
import { checkEdit } from './check'
import { kindOf } from './kinds'
import type { Edit } from './types'

/**
 * M*: a model under an edit, as a model. Nothing is copied; `weight` answers with the change added, in tensors that `dispose`
 * gives back, while the model underneath stays open.
 * @throws UserError when the edit cannot act on the model
 */
export function edited(model: LanguageModel, edit: Edit): LanguageModel {
  checkEdit(edit, model)
  const changesOf = changesUnder([edit], model)
  const weights = new Map<string, tf.Tensor>()
  return {
    name: `${model.name} + ${edit.method}`,
    config: model.config,
    tokenizer: model.tokenizer,
    identity: model.identity,
    hash: hashUnder(model.hash, edit),
    weightsHash: () => hashUnder(model.weightsHash(), edit),
    weightNames: () => model.weightNames(),
    weightShape: (name) => model.weightShape(name),
    mlpEffect: (layer, value, delta) => model.mlpEffect(layer, value, delta),
    passFlops: (tokens, options) => model.passFlops(tokens, options),
    streamSites: (layer) => model.streamSites(layer),
    weight(name) {
      const weight = weights.get(name) ?? changedWeight(model, edit, name)
      if (weight === undefined) return model.weight(name)
      weights.set(name, weight)
      return weight
    },
    score(items, more) {
      const under = items.map((item) => ({ ...item, edit }))
      return scoreEdited(model, under, more)
    },
    generate(items, options) {
      const under = items.map((item) => ({ ...item, edit }))
      return generateEdited(model, under, options)
    },
    forward(batch, options = {}) {
      const own = (options.weights === undefined ? changesOf : changesBeside(model, edit, options.weights)) ?? NONE
      const changes = own(new Array<number>(batch.batch).fill(0))
      return model.forward(batch, { ...options, changes: joinChanges(changes, options.changes) })
    },
    dispose() {
      for (const weight of weights.values()) weight.dispose()
      weights.clear()
    }
  }
}

const NONE: ChangesOf = () => new Map()

/** What an edit changes where some weights are substituted: a substitute stands for the weight with its change. */
function changesBeside(model: LanguageModel, edit: Edit, substitutes: Readonly<Record<string, unknown>>) {
  const parts = edit.parts.filter((part) => {
    const names = kindOf(part).weightNames?.(part) ?? []
    const replaced = names.filter((name) => Object.hasOwn(substitutes, name))
    if (replaced.length > 0 && replaced.length < names.length)
      throw new Error(`${names.join(' and ')} are changed by one part: substitute all of them or none`)
    return replaced.length === 0
  })
  return changesUnder([{ ...edit, parts }], model)
}

/** A weight with all that the edit adds to it; undefined when it adds nothing. */
function changedWeight(model: LanguageModel, edit: Edit, name: string): tf.Tensor | undefined {
  return tf.tidy(() => {
    const deltas = edit.parts.flatMap((part) => kindOf(part).weightDelta?.(part, name) ?? [])
    return deltas.length === 0 ? undefined : tf.keep(deltas.reduce((sum, d) => sum.add(d), model.weight(name)))
  }) as tf.Tensor | undefined
}

function hashUnder(base: string, { parts }: Edit): string {
  const hash = createHash('sha256').update(base)
  for (const part of parts) {
    const kind = kindOf(part)
    hash.update(JSON.stringify([part.kind, kind.headerOf(part)]))
    for (const [name, { data }] of Object.entries(kind.arrays(part)))
      hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return hash.digest('hex')
}
