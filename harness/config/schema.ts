import { z } from 'zod'
import { PROPERTIES } from '../../datasets/types'
import { CONTEXTS } from '../contexts'
import { BACKENDS } from '../tensor/backend'

/** More resamples change no digit that is shown. */
export const MOST_RESAMPLES = 100_000
export const MOST_WORKERS = 256
export const MOST_CASES = 10_000_000
export const MOST_ANSWER_TOKENS = 4096

const name = z.string().regex(/^[\w.-]+$/, "may hold letters, digits, '.', '_' and '-'")
const share = z.number().min(0).max(1)
const cuts = z.strictObject({ medium: share, high: share })

/** One method of a run, with what differs from its defaults. */
const methodEntry = z.strictObject({
  name: z.string().describe('A method of `bench list methods`, a file (./my-method.mjs) or a package'),
  label: name
    .optional()
    .describe('Name in results, to run one method several times with other settings; the method name when missing'),
  hyperparameters: z.record(z.string(), z.unknown()).default({}).describe("What differs from the method's defaults")
})

const datasetEntry = z.strictObject({
  name: z.string().describe('A dataset of `bench list datasets`, a file (./my-dataset.mjs) or a package'),
  label: name.optional().describe('Name in results, to use one dataset several times; the dataset name when missing'),
  source: z.string().optional().describe('File in the official format; the embedded world when missing'),
  split: z.enum(['train', 'test']).default('test').describe('Which half of the embedded world'),
  limit: z.number().int().min(1).max(MOST_CASES).optional().describe('Take the first so many cases'),
  on_bad_record: z.enum(['skip', 'fail']).default('fail').describe('What a malformed record does'),
  options: z.record(z.string(), z.unknown()).default({}).describe('Switches of the dataset itself')
})

/** A dataset of which nothing but its name is said. */
export const datasetNamed = (name: string, split: 'train' | 'test' = 'test') => datasetEntry.parse({ name, split })

const size = z.int().min(1).max(MOST_CASES)
const oneByOne = z
  .union([z.boolean(), z.literal('where_needed')])
  .default(false)
  .describe(
    "Insert facts that belong together one after another: always (true), or by methods that hold one fact an edit ('where_needed')"
  )

/** How edits are put to the test; results/protocol.ts has what it comes to. */
const protocolEntry = z.union(
  [
    z.literal('single').describe('Every case is edited into the original model, asked, and forgotten'),
    z.strictObject({
      batch: size.describe('So many cases are edited into the original model together, asked, and forgotten'),
      one_by_one: oneByOne
    }),
    z.strictObject({
      sequential: size.describe('So many cases are edited one after another, each on top of those before'),
      ask_after: z
        .array(size)
        .optional()
        .describe('After how many cases all so far are asked again; powers of ten and the end when missing'),
      batch: size.default(1).describe('Cases that are edited together'),
      orders: z
        .array(z.int().min(0).max(Number.MAX_SAFE_INTEGER))
        .min(1)
        .optional()
        .describe('Seeds, each of which puts the cases into another order; that of the data when missing'),
      one_by_one: oneByOne
    })
  ],
  { error: "expected 'single', '{ batch: 100 }' or '{ sequential: 1000, ask_after: [1, 10, 100, 1000] }'" }
)

/** The one source of what a config may hold: types, validation and configs/schema.json come from here. */
export const configSchema = z.strictObject({
  name: name.optional().describe("Name of the run; the file's name when missing"),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).describe('Seed of everything random'),
  models: z
    .array(z.string())
    .min(1)
    .describe('Embedded models, folders in Hugging Face layout, or Hugging Face ids in the local cache'),
  methods: z.array(methodEntry).min(1),
  datasets: z.array(datasetEntry).min(1),
  protocols: z.array(protocolEntry).min(1).default(['single']).describe('How edits are put to the test'),
  train_on: z
    .array(datasetEntry.extend({ split: datasetEntry.shape.split.unwrap().default('train') }))
    .min(1)
    .optional()
    .describe('What methods learn from that must learn first; the train half of the embedded world when missing'),
  limit: z.number().int().min(1).max(MOST_CASES).optional().describe('Most cases of every dataset'),
  general_ability: z
    .strictObject({
      texts: z
        .string()
        .optional()
        .describe("Texts whose likelihood should stay: 'world', JSON Lines with 'text', or a text a line"),
      choices: z
        .string()
        .optional()
        .describe("Questions with a choice of answers: 'world', or JSON Lines with 'query', 'choices' and 'gold'")
    })
    .optional()
    .describe('What the model should still be able to do, asked at every checkpoint of a sequence'),
  corpus: z
    .string()
    .optional()
    .describe(
      "Text for second moments: a document a line, or JSON Lines, CSV, TSV or Parquet with 'text'; embedded models bring their own"
    ),
  backend: z
    .enum(['auto', ...BACKENDS])
    .default('auto')
    .describe('What executes the tensor kernels'),
  workers: z
    .union([z.literal('auto'), z.number().int().min(1).max(MOST_WORKERS)])
    .default('auto')
    .describe('Worker processes; auto: one a core for small models, else one'),
  shard_size: z
    .number()
    .int()
    .min(1)
    .max(MOST_CASES)
    .default(10)
    .describe('Cases that are computed, stored and resumed together'),
  store_edits: z
    .union([z.literal('all'), z.number().int().min(0)])
    .default(3)
    .describe('Of how many cases of every setting the edit itself is stored, for `bench ask --edit`'),
  max_failed: z
    .union([
      z.number().int().min(0),
      z.string().regex(/^(100|\d{1,2})%$/, "must be a number of edits, or a share such as '20%'")
    ])
    .optional()
    .describe('The run stops when more edits fail; a number, or a share of all edits; without it every case is tried'),
  scoring: z
    .strictObject({
      locality_tokens: z
        .number()
        .int()
        .min(1)
        .default(8)
        .describe('Longest answer of the base model that locality compares, in tokens; it ends with its sentence'),
      free_answers: z
        .strictObject({
          context: z
            .enum(CONTEXTS)
            .default('question')
            .describe(
              "What stands around a question: nothing, 'Please answer the question: …', or the model's chat template"
            ),
          max_tokens: z.int().min(1).max(MOST_ANSWER_TOKENS).default(64).describe('Longest answer, in tokens'),
          judge: z
            .strictObject({
              url: z.url({ protocol: /^https?$/ }).describe('Of an OpenAI-compatible API: https://api.openai.com/v1'),
              model: z.string().min(1),
              key_from: z.string().default('OPENAI_API_KEY').describe('Environment variable that holds its key')
            })
            .optional()
            .describe('A model that says whether free answers are right, besides the comparison of words')
        })
        .optional()
        .describe('Have every question answered freely too, up to a natural stop, and compare the words; missing: not'),
      generation: z
        .boolean()
        .default(false)
        .describe(
          "Let the models write on from every edit's prompt, 100 tokens with it: fluency of all datasets, as EasyEdit and KnowEdit have it; slow. CounterFact's own prompts are its option of the same name"
        ),
      bootstrap: z
        .number()
        .int()
        .min(100)
        .max(MOST_RESAMPLES)
        .default(1000)
        .describe('Resamples behind every interval'),
      grading: z
        .partialRecord(z.enum(PROPERTIES), cuts)
        .default({})
        .describe("Shares from where a property counts as medium and high; the book's when missing")
    })
    .prefault({})
})

/** A config with all defaults filled in. */
export type Config = z.output<typeof configSchema>
export type MethodEntry = Config['methods'][number]
export type ProtocolEntry = Config['protocols'][number]
export type DatasetEntry = Config['datasets'][number]
