import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../errors'
import { allFinite } from '../finite'
import { type JsonObject, readJsonObject } from '../json-file'
import { layerNorm, rmsNorm } from '../tensor'
import { type Architecture, architectureOf, fusedRow, type WeightSource } from './architectures'
import { ConfigReader } from './architectures/config-reader'
import { CHECKPOINT_FILES, readCheckpointIndex, readTensor, type TensorEntry, type TensorIndex } from './checkpoint'
import { forward } from './forward'
import { continued } from './generate'
import { resolveModel } from './registry'
import { scoreTargets } from './score'
import { encodePrompt, loadTokenizer } from './tokenizer'
import type {
  ChangesOf,
  ForwardOptions,
  ForwardResult,
  GenerateOptions,
  LanguageModel,
  ModelConfig,
  ModelIdentity,
  PassFlopsOptions,
  TargetScore,
  ToContinue,
  TokenBatch,
  Tokenizer,
  ToScore
} from './types'

/**
 * Opens a model by the name of an embedded one, a folder in Hugging Face layout, or a Hugging Face id whose files are in
 * the hub's cache. Select a backend first (`useBackend`).
 * @param known what another process found it to be: weights are not hashed again while their files are the same
 * @throws UserError that says what is missing and how to get it.
 */
export async function openModel(name: string, known?: ModelIdentity): Promise<LanguageModel> {
  const dir = resolveModel(name)
  const files = describeFiles(dir)
  const { architecture, config } = readModelConfig(dir)
  const tokenizer = loadTokenizer(dir, config.vocab)
  const index = readCheckpointIndex(dir)
  if (index === undefined) {
    throw new UserError(`the folder has no weights: none of ${CHECKPOINT_FILES.join(', ')}`, {
      place: dir,
      hint: 'save the checkpoint with transformers: AutoModelForCausalLM.from_pretrained(NAME).save_pretrained(DIR)'
    })
  }
  const tensors = loadWeights(dir, architecture, config, index)
  if (describeFiles(dir) !== files)
    throw new UserError('the files changed while they were read', { place: dir, hint: 'wait until they are complete' })
  return new OpenModel(name, architecture, config, tokenizer, tensors, files, known)
}

/** Everything about a model's files but their content that changes with it: nobody sets a file's change time (ctime) but the system. */
function describeFiles(dir: string): string {
  const lines = readdirSync(dir)
    .filter((name) => /\.(json|safetensors|bin)$/.test(name))
    .sort()
    .map((name) => {
      const stat = statSync(join(dir, name), { bigint: true, throwIfNoEntry: false })
      return [name, stat?.dev, stat?.ino, stat?.size, stat?.mtimeNs, stat?.ctimeNs].join(' ')
    })
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** config.json of a checkpoint folder. */
export function readModelConfig(dir: string): { architecture: Architecture; config: ModelConfig } {
  const file = join(dir, 'config.json')
  if (!existsSync(file)) {
    throw new UserError('config.json is missing', {
      place: dir,
      hint: 'a model folder holds config.json, tokenizer.json and model.safetensors or pytorch_model.bin'
    })
  }
  const json = textConfig(readJsonObject(file), file)
  const architecture = architectureOf(json.model_type, file)
  const read = new ConfigReader(json, file)
  const config = architecture.config(read)
  read.refuseUnread()
  checkConfig(config, file)
  return { architecture, config }
}

/** @throws UserError for numbers that cannot belong to one model, though each alone could */
function checkConfig(config: ModelConfig, place: string): void {
  const { dim, heads, kvHeads, headDim, rotaryDim, normEps, rotaryTheta, windows = [] } = config
  const bad = (message: string) => new UserError(message, { place, hint: 'is this the config.json of the checkpoint?' })
  if (!Number.isSafeInteger(headDim)) throw bad(`a width of ${dim} cannot be shared by ${heads} heads`)
  if (heads * headDim > MOST_WIDTH) throw bad(`${heads} heads of ${headDim} are wider than any model`)
  if (heads % kvHeads !== 0) throw bad(`${heads} heads of queries cannot share ${kvHeads} of keys and values`)
  if (!(rotaryDim >= 0 && rotaryDim <= headDim && rotaryDim % 2 === 0))
    throw bad(
      `${rotaryDim} of the ${headDim} dimensions of a head cannot be rotated: expected is an even number of them`
    )
  if (!(normEps >= 0 && normEps < 1)) throw bad(`the epsilon of the norms cannot be ${normEps}`)
  if (rotaryDim > 0 && !(rotaryTheta > 0)) throw bad(`the base of the rotary angles cannot be ${rotaryTheta}`)
  for (const window of windows)
    if (window !== null && !(Number.isSafeInteger(window) && window >= 1))
      throw bad(`a sliding window cannot be ${window} wide`)
}

const MOST_WIDTH = 2 ** 27

/** Models of text and pictures, whose text part lies under `text_config` and computes alone what it computes there. */
const WITH_TEXT_PART: ReadonlySet<unknown> = new Set(['gemma3'])

function textConfig(json: JsonObject, file: string): JsonObject {
  if (!WITH_TEXT_PART.has(json.model_type)) return json
  const text = json.text_config
  if (typeof text === 'object' && text !== null && !Array.isArray(text)) return text as JsonObject
  throw new UserError(
    `model_type ${JSON.stringify(json.model_type)} is a model of text and pictures, whose text part is missing`,
    {
      place: file,
      hint: "expected is an object under 'text_config'"
    }
  )
}

function loadWeights(
  dir: string,
  architecture: Architecture,
  config: ModelConfig,
  index: TensorIndex
): Map<string, tf.Tensor> {
  const tensors = new Map<string, tf.Tensor>()
  const sources = Object.entries(architecture.weights(config))
  // A fused tensor is read once though several weights come out of it, and dropped after the last of them.
  const fused = new Map<string, Float32Array>()
  const last = new Map(sources.map(([name, { hf }]) => [hf, name]))
  for (const [name, source] of sources) {
    const entry = find(index, source.hf) ?? (name === 'embed.weight' && config.tiedHead ? tiedTwin(index) : undefined)
    if (entry === undefined) {
      if (source.optional === true) continue
      throw new UserError(`the checkpoint lacks the tensor '${source.hf}'`, {
        place: dir,
        hint: `expected of a ${architecture.name} checkpoint`
      })
    }
    const expected = storedShape(source)
    if (entry.shape.join() !== expected.join()) {
      throw new UserError(`tensor '${source.hf}' has the shape [${entry.shape}], config.json implies [${expected}]`, {
        place: entry.file
      })
    }
    const known = fused.get(source.hf)
    const data = known ?? readTensor(source.hf, entry)
    if (known === undefined && !allFinite(data)) {
      throw new UserError(`tensor '${source.hf}' holds values that are not finite (NaN or infinite)`, {
        place: entry.file,
        hint: 'the checkpoint is broken: nothing a model computes with it means anything'
      })
    }
    if (last.get(source.hf) === name) fused.delete(source.hf)
    else fused.set(source.hf, data)
    tensors.set(name, tf.keep(tf.tensor(ourLayout(data, source), [...source.shape], 'float32')))
  }
  return tensors
}

/** Names a tensor may have: as saved from the whole model, from the bare one without the class's prefix, or as a part of a larger one. */
function find(index: TensorIndex, name: string): TensorEntry | undefined {
  const bare = name.replace(/^(transformer|model|gpt_neox)\./, '')
  const names = [name, bare, `language_model.${name}`, `model.language_model.${bare}`]
  return names.map((n) => index.get(n)).find((entry) => entry !== undefined)
}

/** Embeddings that are also the head may have been saved under the head's name alone. */
const tiedTwin = (index: TensorIndex) => find(index, 'lm_head.weight') ?? find(index, 'embed_out.weight')

/** Shape in the checkpoint. */
export function storedShape({ shape, transposed, rows }: WeightSource): number[] {
  const [first = 1, ...rest] = shape
  const whole = [rows?.of ?? first, ...rest]
  return transposed === true ? whole.reverse() : whole
}

/** Checkpoint layout -> `[out, in]`. */
function ourLayout(data: Float32Array, { shape, transposed, rows, plus = 0 }: WeightSource): Float32Array {
  if (rows === undefined && transposed !== true) return plus === 0 ? data : data.map((x) => x + plus)
  const [n = 1, width = 1] = shape
  const stride = rows?.of ?? n
  const out = new Float32Array(n * width)
  for (let i = 0; i < n; i++) {
    const row = rows === undefined ? i : fusedRow(rows, i)
    if (transposed !== true) out.set(data.subarray(row * width, (row + 1) * width), i * width)
    else for (let j = 0; j < width; j++) out[i * width + j] = data[j * stride + row]!
  }
  return out
}

class OpenModel implements LanguageModel {
  readonly hash: string
  readonly identity: ModelIdentity
  readonly #architecture: Architecture
  readonly #tensors: Map<string, tf.Tensor>

  constructor(
    readonly name: string,
    architecture: Architecture,
    readonly config: ModelConfig,
    readonly tokenizer: Tokenizer & { readonly hash: string },
    tensors: Map<string, tf.Tensor>,
    files: string,
    known: ModelIdentity | undefined
  ) {
    this.#architecture = architecture
    this.#tensors = tensors
    this.identity = known?.files === files ? known : this.#identify(files)
    this.hash = this.identity.hash
  }

  #identify(files: string): ModelIdentity {
    const weightsHash = this.weightsHash()
    const { config, tokenizer } = this
    const hash = createHash('sha256').update(JSON.stringify(config)).update(tokenizer.hash).update(weightsHash)
    return { hash: hash.digest('hex'), weightsHash, files }
  }

  weightsHash(): string {
    const hash = createHash('sha256')
    for (const name of this.weightNames()) {
      const data = this.weight(name).dataSync()
      hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
    return hash.digest('hex')
  }

  weight(name: string): tf.Tensor {
    const tensor = this.#tensors.get(name)
    if (tensor === undefined) throw new UserError(`the model ${this.name} has no weight '${name}'`)
    return tensor
  }

  weightNames(): readonly string[] {
    return [...this.#tensors.keys()].sort()
  }

  score(items: readonly ToScore[], changesOf?: ChangesOf): TargetScore[] {
    const ids = this.#promptIds(items)
    const rows = items.map(({ prompt, target, under }) => ({ prompt: ids.get(prompt)!, target, under }))
    return scoreTargets(this, rows, changesOf)
  }

  generate(items: readonly ToContinue[], options: GenerateOptions): number[][] {
    const ids = this.#promptIds(items)
    const rows = items.map(({ prompt, said = [] }) => ({ prompt: ids.get(prompt)!, said }))
    return continued(this, rows, options)
  }

  /** Most prompts are asked more than once. */
  #promptIds(items: readonly { readonly prompt: string }[]): Map<string, number[]> {
    return new Map([...new Set(items.map((i) => i.prompt))].map((text) => [text, encodePrompt(this.tokenizer, text)]))
  }

  weightShape(name: string): readonly number[] | undefined {
    return this.#tensors.get(name)?.shape
  }

  forward(batch: TokenBatch, options: ForwardOptions = {}): ForwardResult {
    let result!: ForwardResult
    // tidy keeps what it returns, so the tensors of the result are handed out as a list.
    tf.tidy(() => {
      result = forward(this.#architecture, this.config, this.#tensors, batch, options)
      const { hidden, logits, captured, cache } = result
      return [
        hidden,
        ...(logits === undefined ? [] : [logits]),
        ...Object.values(captured),
        ...(cache ? [...cache.keys.values(), ...cache.values.values()] : [])
      ]
    })
    return result
  }

  mlpEffect(layer: number, value: tf.Tensor2D, delta: tf.Tensor2D): tf.Tensor2D {
    const { mlpOutputNorm } = this.#architecture
    if (mlpOutputNorm === undefined) return delta
    const gain = this.weight(`layers.${layer}.${mlpOutputNorm}.weight`) as tf.Tensor1D
    const bias = this.#tensors.get(`layers.${layer}.${mlpOutputNorm}.bias`) as tf.Tensor1D | undefined
    const { normEps } = this.config
    const added = (x: tf.Tensor2D) =>
      bias === undefined ? rmsNorm(x, gain, normEps) : layerNorm(x, gain, bias, normEps)
    return tf.tidy(() => added(value.add(delta)).sub(added(value)))
  }

  passFlops(
    tokens: number,
    {
      from = 0,
      to = this.config.layers,
      logits = 0,
      asked = tokens,
      settled = false,
      context = 0,
      backward = false
    }: PassFlopsOptions = {}
  ): number {
    const { dim, heads, kvHeads, headDim, ffDim, vocab } = this.config
    const mlp = (this.#tensors.has('layers.0.mlp.gate.weight') ? 3 : 2) * dim * ffDim
    const keysAndValues = dim * headDim * 2 * kvHeads
    const projections = dim * headDim * 2 * heads
    const mixing = 2 * heads * headDim * context
    // A product with a weight has one gradient here, one of two activations has two.
    const [weights, activations] = backward ? [2, 3] : [1, 1]
    const asQuery = weights * (mlp + projections) + activations * mixing
    const asKey = weights * keysAndValues
    const blocks = tokens * (to - from) * (asQuery + asKey)
    const unasked = to === this.config.layers && from < to ? (tokens - asked) * asQuery : 0
    const ofStream = dim * headDim * (heads + 2 * kvHeads) + (this.#isParallel ? mlp : 0)
    const known = settled && from < to ? (tokens - 1) * weights * ofStream : 0
    return 2 * (blocks - unasked - known + weights * logits * dim * vocab)
  }

  streamSites(layer: number): string[] {
    const parts = ['attn.q', 'attn.k', 'attn.v', ...(this.#isParallel ? ['mlp'] : [])]
    return parts.map((part) => `layers.${layer}.${part}`)
  }

  get #isParallel(): boolean {
    return this.#architecture.parallel?.(this.config) === true
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose()
    this.#tensors.clear()
  }
}
