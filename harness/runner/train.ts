import type { Setup } from '../results/manifest'
import type { OnRunEvent } from './events'
import type { Plan } from './plan'
import { WorkerPool } from './pool'
import { workerSetup } from './run'
import { methodKey } from './tasks'

export interface TrainedMethod {
  readonly method: string
  readonly model: string
  readonly training: NonNullable<Setup['training']>
}

/** Trains the methods of a plan that learn something, each once on every model. What is in the cache is left as it is. */
export async function trainMethods(plan: Plan, onEvent: OnRunEvent): Promise<TrainedMethod[]> {
  const pool = new WorkerPool(1, workerSetup(plan), onEvent)
  const trained = new Map<string, TrainedMethod>()
  try {
    for (const { model, modelName, label, method } of plan.settings) {
      const key = methodKey(model, method)
      if (method.training === undefined || trained.has(key)) continue
      const opened = await pool.run({ type: 'open', model })
      const training = await pool.run({ type: 'train', model, opened, method })
      trained.set(key, { method: label, model: modelName, training })
    }
  } finally {
    await pool.close()
  }
  return [...trained.values()]
}
