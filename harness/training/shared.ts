import { architectureOf } from '../model/architectures'
import type { Recipe } from './recipes'

/*
 * What the threads of a training run have in common, in shared memory. Each thread computes the gradients of some rows of a batch and moves some of
 * the parameters; who does what depends on the recipe alone, and sums are made in one order, so that the result does as well.
 */

/** Shape of every parameter by name. */
export function shapesOf(recipe: Recipe): Record<string, readonly number[]> {
  const { weights } = architectureOf(recipe.config.architecture, recipe.name)
  return Object.fromEntries(Object.entries(weights(recipe.config)).map(([name, { shape }]) => [name, shape]))
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export interface Shared {
  /** All parameters, one after another. */
  readonly parameters: SharedArrayBuffer
  /** Of each thread's rows. */
  readonly gradients: readonly SharedArrayBuffer[]
  /** Adam's moments; of matrices that Muon moves the first is its momentum. */
  readonly first: SharedArrayBuffer
  readonly second: SharedArrayBuffer
  /** Of each thread: the loss of its rows, and Σg² of its parameters. */
  readonly numbers: SharedArrayBuffer
  /** By `CONTROL`. */
  readonly control: SharedArrayBuffer
}

/** Places of `control`: threads at the barrier, barriers passed, whether a checkpoint is being written, and whether all must stop. */
export const CONTROL = { arrived: 0, passed: 1, writing: 2, stop: 3 } as const

export function shareState(recipe: Recipe): Shared {
  const floats = () => new SharedArrayBuffer(4 * Object.values(shapesOf(recipe)).reduce((n, s) => n + sizeOf(s), 0))
  return {
    ...{ parameters: floats(), first: floats(), second: floats() },
    gradients: Array.from({ length: recipe.threads }, floats),
    numbers: new SharedArrayBuffer(16 * recipe.threads),
    control: new SharedArrayBuffer(16)
  }
}

/** Each parameter's part of such memory. */
export function viewsOf(recipe: Recipe, memory: SharedArrayBuffer): Map<string, Float32Array> {
  let at = 0
  return new Map(
    Object.entries(shapesOf(recipe)).map(([name, shape]) => {
      const view = new Float32Array(memory, at, sizeOf(shape))
      at += view.byteLength
      return [name, view]
    })
  )
}

/** Matrices inside the blocks are Muon's; embeddings, the head, norms and biases Adam's. */
export const isMuons = (name: string, shape: readonly number[]): boolean =>
  name.startsWith('layers.') && shape.length === 2

/** The parameters that a thread moves: about equal work, the most expensive dealt first. */
export function ownedBy(recipe: Recipe, thread: number): string[] {
  const cost = (name: string, shape: readonly number[]) =>
    isMuons(name, shape) ? sizeOf(shape) * Math.min(...shape) : sizeOf(shape)
  const costs = Object.entries(shapesOf(recipe)).map(([name, shape]) => [name, cost(name, shape)] as const)
  const loads = new Array<number>(recipe.threads).fill(0)
  return costs
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .filter(([, work]) => {
      const least = loads.indexOf(Math.min(...loads))
      loads[least]! += work
      return least === thread
    })
    .map(([name]) => name)
}

/** @returns false when all must stop instead */
export function barrier(control: Int32Array, threads: number): boolean {
  const passed = Atomics.load(control, CONTROL.passed)
  if (Atomics.add(control, CONTROL.arrived, 1) === threads - 1) {
    Atomics.store(control, CONTROL.arrived, 0)
    Atomics.add(control, CONTROL.passed, 1)
    Atomics.notify(control, CONTROL.passed)
  }
  while (Atomics.load(control, CONTROL.passed) === passed && Atomics.load(control, CONTROL.stop) === 0)
    Atomics.wait(control, CONTROL.passed, passed, PATIENCE_MS)
  return Atomics.load(control, CONTROL.stop) === 0
}

/** Between looks at whether all must stop. */
const PATIENCE_MS = 200

/** Waits while a checkpoint is being written. */
export function waitForCheckpoint(control: Int32Array): void {
  while (Atomics.load(control, CONTROL.writing) === 1 && Atomics.load(control, CONTROL.stop) === 0)
    Atomics.wait(control, CONTROL.writing, 1, PATIENCE_MS)
}
