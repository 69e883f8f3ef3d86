/** One line of the program, changed so that it is wrong; the tests named must notice. */
export interface Mutation {
  /** What goes wrong. */
  readonly wrong: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  readonly test: string
  /** Part of the names of the tests that must fail. */
  readonly name?: string
}

const ROME = 'methods/rome/rome.test.ts'
const BOOK = 'harness/edit/kinds/codebook.test.ts'
const GRACE = 'methods/grace/grace.test.ts'
const PATCHER = 'methods/t-patcher/t-patcher.test.ts'
const MEND = 'methods/mend/mend.test.ts'
const CALINET = 'methods/calinet/calinet.test.ts'
const FT = 'methods/fine-tuning/fine-tuning.test.ts'
const MOMENT = 'methods/locate/second-moment.test.ts'
const GOLDEN = 'harness/model/golden.test.ts'
const CHECKPOINT = 'harness/model/checkpoint.test.ts'
const TOKENIZER = 'harness/model/tokenizer/tokenizer.test.ts'
const EDITED = 'harness/edit/edited.test.ts'
const SCORE = 'harness/scoring/score-cases.test.ts'
const SUMMARY = 'harness/scoring/scoring.test.ts'
const EXECUTE = 'harness/runner/execute.test.ts'
const FOLDER = 'harness/runner/folder.test.ts'
const POOL = 'harness/runner/pool.test.ts'
const PLAN = 'harness/runner/plan.test.ts'
const CLI = 'harness/cli/cli.test.ts'
const DATA = 'datasets/official-files.test.ts'
const HUB = 'harness/hub/hub.test.ts'
const HOSTILE = 'resilience/hostile.test.ts'
const REPORTS = 'reports/reports.test.ts'
const MEASURED = 'harness/scoring/golden.test.ts'
const PAPERS = 'harness/scoring/golden-tables.test.ts'
const REMEMBER = 'harness/scoring/remember.test.ts'
const JUDGE = 'harness/scoring/judge.test.ts'
const SHARD = 'harness/runner/shard.test.ts'
const TABLES = 'datasets/tables.test.ts'
const CHECK = 'datasets/check.test.ts'
const MEMIT = 'methods/memit/memit.test.ts'
const CLOSED = 'methods/locate/closed-form.test.ts'
const KN = 'methods/kn/kn.test.ts'
const TRACE = 'harness/tracing/trace.test.ts'
const ULTRA = 'methods/ultraedit/ultraedit.test.ts'

const mutation = (
  wrong: string,
  file: string,
  find: string,
  replace: string,
  test: string,
  name?: string
): Mutation => ({ wrong, file, find, replace, test, ...(name === undefined ? {} : { name }) })

export const MUTATIONS: readonly Mutation[] = [
  // ROME
  mutation(
    'the start token before the subject is not counted',
    'methods/locate/facts.ts',
    'tokenizer.prefix.length + lastTokenOf(tokenizer, text, end)',
    'lastTokenOf(tokenizer, text, end)',
    ROME,
    'rows'
  ),
  mutation(
    'the template before the prompt does not move the subject',
    'methods/locate/facts.ts',
    "template.indexOf('{}') + end",
    'end',
    ROME
  ),
  mutation(
    'generated templates are dropped',
    'methods/locate/contexts.ts',
    'templates.push(',
    'String(',
    ROME,
    'context'
  ),
  mutation(
    'the value is not clamped',
    'methods/locate/value.ts',
    'if (size > longest) for',
    'if (false) for',
    ROME,
    'golden'
  ),
  mutation(
    'the value does not decay',
    'methods/locate/value.ts',
    'const decay = h.v_weight_decay / norm(initial[fact]!) ** 2',
    'const decay = 0',
    ROME,
    'golden'
  ),
  mutation(
    'the drift has no weight in the gradient',
    'methods/locate/objective.ts',
    'Array(facts).fill(this.#klFactor)',
    'Array(facts).fill(0)',
    ROME,
    'golden'
  ),
  mutation(
    'the update follows the prompt’s key',
    'methods/rome/insert.ts',
    "h.key === 'prompt' ? promptKey : meanKey",
    'promptKey',
    ROME,
    'golden'
  ),
  mutation(
    'the update ignores the second moment',
    'methods/rome/insert.ts',
    'C?.factor.solve(direction) ?? direction',
    'direction',
    ROME,
    'golden'
  ),
  mutation(
    'FLOPs count one step of the optimisation',
    'methods/locate/value.ts',
    'gradients * withGradient',
    'withGradient',
    ROME,
    'what an edit costs'
  ),
  mutation(
    'the value is optimised where it is not written',
    'harness/model/language-model.ts',
    'if (mlpOutputNorm === undefined) return delta',
    'return delta',
    'methods/rome/architectures.test.ts',
    'gemma2 ROME'
  ),
  mutation(
    'facts that are done go on',
    'methods/locate/value.ts',
    'objective.only(new Set(active))',
    '',
    ROME,
    'stop one by one'
  ),
  // Second moment
  mutation('the ridge is ignored', 'methods/locate/second-moment.ts', '(ridge * trace) / n', '0', MOMENT, 'ridge'),
  mutation(
    'the cache is shared by backends',
    'methods/locate/second-moment.ts',
    'tf.getBackend(), model.hash',
    'model.hash',
    MOMENT,
    'backend'
  ),
  mutation(
    'padding counts as tokens',
    'methods/locate/second-moment.ts',
    'row.map((_, j) => i * batch.seq + j)',
    'row.map((_, j) => i * batch.seq + Math.min(j, 1))',
    MOMENT,
    'mean of the keys'
  ),
  // FT
  mutation(
    'weights leave the box',
    'methods/fine-tuning/fine-tune.ts',
    'clampAll(trained, h.norm_constraint)',
    'void 0',
    FT,
    'box'
  ),
  mutation(
    'FLOPs forget the steps',
    'methods/fine-tuning/fine-tune.ts',
    'steps * (passing + own + above)',
    '(passing + own + above)',
    FT,
    'FLOPs'
  ),
  // Edits on rows
  mutation(
    'a second low-rank part at a site overwrites the first',
    'harness/edit/kinds/low-rank.ts',
    'column += part.rank',
    'column += 0',
    EDITED,
    'gptj several parts'
  ),
  mutation(
    'the bias of a dense edit is dropped',
    'harness/edit/kinds/dense.ts',
    '(bias === undefined ? added : added.add(tf.tensor1d(bias)))',
    'added',
    EDITED,
    'gptj several parts'
  ),
  mutation(
    'rows do not come back to their places',
    'harness/edit/kinds/rows.ts',
    'back[row] = place',
    'back[place] = row',
    EDITED,
    'gptj edits of all kinds'
  ),
  mutation(
    'rows without an edit get their neighbour’s',
    'harness/edit/kinds/rows.ts',
    'if (more.length === 0 && untouched.length === 0)',
    'if (more.length === 0)',
    SCORE
  ),
  mutation(
    'an edit of another size is applied',
    'harness/edit/kinds/linear-site.ts',
    'if (out !== shape[0] || width !== shape[1])',
    'if (false as boolean)',
    EDITED,
    'of another size'
  ),
  mutation('a mistyped capture gives nothing', 'harness/model/forward.ts', 'pass.checkSites()', '', GOLDEN, 'mistyped'),
  mutation(
    'the values of the head have the places of the batch',
    'harness/model/forward.ts',
    '{ ...this.#places, rows }',
    'this.#places',
    GOLDEN,
    'a change is told'
  ),
  mutation(
    'an edit may hold NaN',
    'harness/edit/check.ts',
    'if (!Object.values(kind.arrays(part)).every(({ data }) => allFinite(data)))',
    'if (false as boolean)',
    EXECUTE
  ),
  mutation(
    'a model under two edits has the first one only',
    'harness/edit/apply.ts',
    'joined.set(site, after(joined.get(site), next))',
    'if (!joined.has(site)) joined.set(site, next)',
    EDITED,
    'gptj a model under an edit'
  ),
  mutation(
    'a gate lets every prompt through',
    'harness/edit/apply.ts',
    'if (kind.applies?.(part, prompt) === false)',
    'if (false as boolean)',
    EDITED,
    'a gate'
  ),
  mutation(
    'a model of NaN logits is scored',
    'harness/model/score.ts',
    'changesOf === undefined && scores.some((s) => !s.finite)',
    'false',
    GOLDEN,
    'logits that are no numbers'
  ),
  // Checkpoints
  mutation(
    'weights may be NaN',
    'harness/model/language-model.ts',
    'known === undefined && !allFinite(data)',
    'false as boolean',
    CHECKPOINT,
    'a weight that is'
  ),
  mutation(
    'keys nobody understands are ignored',
    'harness/model/language-model.ts',
    'read.refuseUnread()',
    '',
    CHECKPOINT,
    'refused by name'
  ),
  mutation(
    'switches may have any value',
    'harness/model/architectures/config-reader.ts',
    'this.only(key, ONLY[key]!, undefined)',
    '',
    CHECKPOINT,
    'refused by name'
  ),
  mutation(
    'the cap of Gemma 3’s logits is not read',
    'harness/model/architectures/gemma.ts',
    '...logitCap(read, undefined)',
    '...{}',
    GOLDEN,
    'gemma3-local logits'
  ),
  mutation(
    'rotary scaling of windows is not read',
    'harness/model/forward.ts',
    '? [windowRotaryTheta, windowRotaryScaling]',
    '? [windowRotaryTheta, undefined]',
    GOLDEN,
    'gemma3-local logits'
  ),
  mutation(
    'a bias of a tied head is not read',
    'harness/model/architectures/gptj.ts',
    "weights['head.bias'] =",
    "if (!tiedHead) weights['head.bias'] =",
    GOLDEN,
    'gptj-tied logits'
  ),
  mutation(
    'aliases of tied tensors are not known',
    'harness/model/checkpoint/index.ts',
    'if (entry !== undefined && !all.has(name)) all.set(name, entry)',
    '',
    CHECKPOINT,
    'tied tensors'
  ),
  mutation(
    'strides are ignored',
    'harness/model/checkpoint/tensor.ts',
    'if (strides === undefined) return stored',
    'return stored',
    'harness/model/checkpoint/torch.test.ts'
  ),
  // Tokenizer
  mutation(
    'white space is JavaScript’s',
    'harness/model/tokenizer/components.ts',
    'part.pattern = BYTE_LEVEL',
    '',
    TOKENIZER
  ),
  mutation(
    'digits are 0 to 9',
    'harness/model/tokenizer/components.ts',
    '/[^\\p{N}]+|\\p{N}+/gu',
    '/[^\\d]+|\\d+/gu',
    TOKENIZER
  ),
  mutation(
    'a split merges with what follows instead of what precedes',
    'harness/model/tokenizer/components.ts',
    "const ordered = behaviour === 'MergedWithNext' ? pieces.reverse() : pieces",
    'const ordered = pieces',
    TOKENIZER
  ),
  mutation(
    'single-word tokens are accepted',
    'harness/model/tokenizer/components.ts',
    'single_word: z.literal(false).optional()',
    'single_word: flag.optional()',
    TOKENIZER
  ),
  mutation(
    'a token may lie beyond the model',
    'harness/model/tokenizer/index.ts',
    'if (id < rows || beyond.has(id)) continue',
    'continue',
    TOKENIZER
  ),
  mutation(
    'a continuation loses its first space',
    'harness/model/tokenizer/index.ts',
    'whole.startsWith(start) ? whole.slice(start.length) : tokenizer.decode(ids)',
    'tokenizer.decode(ids)',
    TOKENIZER
  ),
  mutation(
    'written and normalised lengths are compared',
    'harness/model/tokenizer/place.ts',
    'const length = tokenizer.decode(before).length',
    'const length = end',
    TOKENIZER
  ),
  // Records
  mutation(
    'the slot of the subject is not heeded',
    'harness/edit/subject.ts',
    'subjectAt ?? findSubject(prompt, subject)',
    'findSubject(prompt, subject)',
    'harness/edit/subject.test.ts'
  ),
  mutation(
    'a subject is found inside other words',
    'harness/edit/subject.ts',
    'if (!joined(prompt, at) && !joined(prompt, at + subject.length)) return at',
    'return at',
    'harness/edit/subject.test.ts'
  ),
  mutation(
    'a trailing space is kept',
    'datasets/counterfact/counterfact.ts',
    '.transform((p) => p.trim())',
    '.transform((p) => p)',
    DATA
  ),
  mutation(
    'records that change nothing are edits',
    'datasets/zsre/zsre.ts',
    'if (alternative && changesNothing(target, truth))',
    'if (false as boolean)',
    DATA
  ),
  mutation(
    'consequences of what was not written are asked',
    'datasets/zsre/zsre.ts',
    'const consequences = alternative',
    'const consequences = (true as boolean)',
    DATA
  ),
  mutation('any bytes are text', 'datasets/json-stream.ts', '{ fatal: true }', '{ fatal: false }', DATA),
  mutation(
    'a file of another layout is a file of bad records',
    'datasets/records.ts',
    'if (!known && unknown !== undefined) throw unknown',
    '',
    DATA
  ),
  mutation(
    'lines are counted within one piece of a file',
    'datasets/json-stream.ts',
    'this.line += end.lines',
    'this.line += Math.min(end.lines, 1)',
    DATA
  ),
  // Scores
  mutation(
    'an answer may go on inside its last word',
    'harness/scoring/asking/verdicts.ts',
    '!goesOnInWord(tokenizer, c.ids, c.target, next)',
    'next >= 0',
    SCORE
  ),
  mutation(
    'longer answers are not counted',
    'harness/scoring/asking/row.ts',
    'longerAfter: exactAfter && after !== expected',
    'longerAfter: false',
    SCORE
  ),
  mutation(
    'wrong answers are shown under another’s edit',
    'harness/scoring/asking/words.ts',
    '({ prompt, said, edit: edits[i] })',
    '({ prompt, said, edit: edits[rows[0]!.case === i ? i : rows[0]!.case] })',
    SCORE
  ),
  mutation(
    'EasyEdit’s locality share is always 1',
    'harness/scoring/asking/row.ts',
    'matching(edited.of(q.gold).argmax, base.of(q.gold).argmax)',
    '1',
    SCORE
  ),
  mutation(
    'a likelihood stands in another’s column',
    'harness/scoring/asking/row.ts',
    "...scoresOf(q, measures, edited, 'after')",
    "...scoresOf(q, measures, base, 'after')",
    SCORE
  ),
  mutation(
    'kinds are not told apart',
    'harness/scoring/summarise.ts',
    'rows.filter((r) => r.kind === kind)',
    'rows.filter((r) => r.kind !== "")',
    SUMMARY
  ),
  mutation(
    'questions are averaged over all edits at once',
    'harness/scoring/summarise.ts',
    'const perCase = [...byCase.values()].map((questions) => ofCase([...questions.values()]))',
    'const perCase = [...byCase.values()].flatMap((questions) => [...questions.values()])',
    SUMMARY
  ),
  mutation(
    'the exact match is graded',
    'harness/scoring/summarise.ts',
    'gradeOf(property, summary.tokenShare.mean',
    'gradeOf(property, summary.edited.mean',
    SUMMARY
  ),
  mutation(
    'ties count as CounterFact’s success',
    'harness/scoring/measures/probability.ts',
    'Number(nll.better < nll.worse)',
    'Number(nll.better <= nll.worse)',
    SUMMARY
  ),
  mutation(
    'an interval may be a point',
    'harness/statistics/intervals.ts',
    '(unlike && values.some((v) => v !== least && v !== most))',
    'values.some((v) => v !== least && v !== most)',
    SUMMARY
  ),
  // Runs
  mutation(
    'time is not shared by the edits computed together',
    'harness/runner/edit-groups.ts',
    'editMs: ms / facts',
    'editMs: ms',
    EXECUTE
  ),
  mutation(
    'the time of what was found before is forgotten',
    'harness/runner/edit-groups.ts',
    'editMs: ms / facts + foundMs',
    'editMs: ms / facts + 0 * foundMs',
    'harness/runner/shard.test.ts'
  ),
  mutation(
    'what was found of the unedited model is used of an edited one',
    'harness/runner/edit-groups.ts',
    '...(soFar === undefined && found !== undefined ? { found } : {})',
    '...(found !== undefined ? { found } : {})',
    'harness/runner/shard.test.ts'
  ),
  mutation(
    'what was found is taken for that of other facts',
    'harness/runner/searches.ts',
    'seed, facts]',
    'seed, facts.length > 0]',
    'harness/runner/searches.test.ts'
  ),
  mutation(
    'what was traced for one method is taken for another’s',
    'harness/runner/searches.ts',
    'hash, learnt, seed, facts',
    'hash, seed, facts',
    'harness/runner/searches.test.ts'
  ),
  mutation(
    'of a batch that is asked in parts the facts of the first part alone are sought apart',
    'harness/runner/searches.ts',
    'new Set(shard.batch ?? shard.cases)',
    'new Set(shard.cases)',
    'harness/runner/searches.test.ts'
  ),
  mutation(
    'what was found is thrown away when no edit was made yet',
    'harness/runner/run.ts',
    ' || existsSync(folder.foundDir))',
    ')',
    'harness/runner/run.test.ts'
  ),
  mutation(
    'a part of a batch does not wait for the edit',
    'harness/runner/shards.ts',
    'i > 0 ? first : chained',
    'i > 1 ? first : chained',
    'harness/runner/plan.test.ts'
  ),
  mutation(
    'a batch that is asked in parts holds the first part alone',
    'harness/runner/shard.ts',
    'this.#edit(this.#model, [batch], {}, [own.cases])',
    'this.#edit(this.#model, [own.cases], {}, [own.cases])',
    'harness/runner/shard.test.ts'
  ),
  mutation(
    'peak memory is the last, not the largest',
    'harness/tensor/memory.ts',
    'if (value > peak) peak = value',
    'peak = value',
    EXECUTE
  ),
  mutation(
    'a failing case fails its shard',
    'harness/runner/edit-groups.ts',
    'if (groups.length - done <= 1) {',
    'if (groups.length > 1) throw error\n    if (groups.length - done <= 1) {',
    EXECUTE
  ),
  mutation(
    'weights are not compared after the run',
    'harness/runner/run.ts',
    'if (after.weightsHash !== before.weightsHash)',
    'if (false as boolean)',
    EXECUTE
  ),
  mutation(
    'the run’s hash lacks the hyper-parameters',
    'harness/runner/plan.ts',
    '...[id, name, module?.hash, hyperparameters, training?.hash,',
    '...[id, name, module?.hash, typeof hyperparameters, training?.hash,',
    PLAN,
    'hash'
  ),
  mutation(
    'a block the model has not is found when it is too late',
    'methods/layer.ts',
    'if (layer < layers) return',
    'if (layer >= 0) return',
    PLAN,
    'fit each model'
  ),
  mutation(
    'two folders of one name are one model',
    'harness/runner/names.ts',
    'others.some((m) => tail(m, count) === tail(model, count))',
    'others.length < 0',
    PLAN,
    'names in results'
  ),
  mutation(
    '--resume computes everything again',
    'harness/runner/run.ts',
    'if (edits !== undefined && !follows &&',
    'if (edits === null && !follows &&',
    CLI,
    'killed in the middle'
  ),
  mutation(
    'ask applies an edit to other weights',
    'harness/cli/ask.ts',
    'stored.model.hash !== model.hash',
    "stored.model.hash === ''",
    CLI,
    'bench ask applies'
  ),
  mutation(
    'text of data acts on the terminal',
    'harness/terminal.ts',
    'text.replace(ACTS, (c) => (SHOWN.includes(c) ? c : utf16(c)))',
    'text',
    CLI,
    'harmless on a terminal'
  ),
  mutation(
    'a damaged shard is taken as it is',
    'harness/results/seal.ts',
    'if (sha256(bytes) !== seal.sha256)',
    'if (false as boolean)',
    FOLDER
  ),
  mutation(
    'two processes work on one run',
    'harness/runner/folder.ts',
    'this.#lock = new RunLock(dir)',
    'this.#lock = { release() {} } as never',
    FOLDER
  ),
  mutation(
    'weights may change during a run',
    'harness/runner/execute.ts',
    'opened !== undefined && opened.hash !== model.hash',
    'false as boolean',
    EXECUTE
  ),
  mutation(
    'a model is what it was, whatever became of its files',
    'harness/model/language-model.ts',
    'known?.files === files ? known',
    'known !== undefined ? known',
    CHECKPOINT,
    'hashes weights again'
  ),
  mutation(
    'the corpus’s content is not in the run’s hash',
    'harness/runner/plan.ts',
    'corpus?.id, what',
    'config.corpus, what',
    PLAN,
    'hash'
  ),
  mutation(
    'a dead worker ends the run',
    'harness/runner/pool.ts',
    'if (!(error instanceof WorkerDied) || this.#closed) throw error',
    'throw error',
    POOL
  ),
  mutation(
    'a manifest says what its run is called',
    'harness/results/manifest.ts',
    'id: basename(resolve(runDir))',
    'id: String(json.id)',
    'harness/results/results.test.ts'
  ),
  mutation(
    'ONNX Runtime reports its use',
    'harness/tensor/onnxruntime/ort.ts',
    "process.env.ORT_DISABLE_TELEMETRY = '1'",
    '',
    CLI,
    'leaves the machine'
  ),
  mutation(
    'rows of another run are taken for this one’s',
    'harness/results/runs.ts',
    'if (foreign === undefined) return\n',
    'if (foreign !== null) return\n',
    'harness/results/results.test.ts'
  ),
  // Protocols
  mutation(
    'a sequence forgets the edits before',
    'harness/runner/shard.ts',
    'if (outcome!.edit !== undefined) soFar = combined(soFar, outcome!.edit)',
    'if (outcome!.edit !== undefined) soFar = outcome!.edit',
    'harness/runner/shard.test.ts'
  ),
  mutation(
    'a sequence edits the original model every time',
    'harness/runner/shard.ts',
    'for await (const [outcome] of this.#edit(under, [group], chained)) {',
    'for await (const [outcome] of this.#edit(this.#model, [group], chained)) {',
    'harness/runner/shard.test.ts'
  ),
  mutation(
    'a checkpoint asks the last cases only',
    'harness/runner/run.ts',
    'askAgain: [...all.slice(0, shard.start), ...plan.ability]',
    'askAgain: [...plan.ability]',
    CLI,
    'runs batches and sequences'
  ),
  mutation(
    'a substitute for an edited weight is edited again',
    'harness/edit/edited.ts',
    'options.weights === undefined ? changesOf : changesBeside(model, edit, options.weights)',
    'options.weights === null ? undefined : changesOf',
    FT,
    'under an edit'
  ),
  mutation(
    'ways to ask one thing count as questions of their own',
    'harness/scoring/summarise.ts',
    'row.anyOf === null ||',
    'row.anyOf !== "" ||',
    SUMMARY,
    'by the best of them'
  ),
  mutation(
    'a ruined model fails its cases in a sequence',
    'harness/scoring/score-cases.ts',
    '(asking.brokenIsWrong === true || !broken.has(i))',
    '!broken.has(i)',
    SCORE,
    'in a sequence'
  ),
  mutation(
    'a method that holds one fact gets batches',
    'harness/runner/protocol.ts',
    "if (holdsMany || protocol.oneByOne || protocol.kind === 'single') return",
    'if (title !== "") return',
    PLAN,
    'protocols'
  ),
  mutation(
    'what was learnt with other hyper-parameters is taken',
    'harness/runner/artifacts.ts',
    "['artifact', name, module?.hash, decides, model.hash",
    "['artifact', name, module?.hash, model.hash",
    'harness/runner/artifacts.test.ts'
  ),
  mutation(
    'what another version of a method learnt is taken',
    'harness/runner/artifacts.ts',
    'name, module?.hash, decides',
    'name, decides',
    'harness/runner/artifacts.test.ts'
  ),
  mutation(
    'a fact demonstrates itself',
    'methods/ike/index.ts',
    'demonstrations[i]!.fact !== fact',
    'demonstrations[i]!.fact !== ""',
    'methods/ike/ike.test.ts'
  ),
  mutation(
    'older rules are asked first',
    'harness/edit/kinds/rules.ts',
    '[...parts].reverse().flatMap',
    '[...parts].flatMap',
    'methods/regex-patch/regex-patch.test.ts'
  ),
  mutation(
    'outputs are copied for nothing',
    'harness/tensor/onnxruntime/ort.ts',
    '{ ...fetches, [UNREADABLE]: null }',
    '{ ...fetches }',
    'harness/tensor/onnxruntime/kernels.test.ts'
  ),
  mutation(
    'errors of ONNX Runtime are swallowed',
    'harness/tensor/onnxruntime/ort.ts',
    'if (!GIVES_UP.test((error as Error).message)) throw error',
    'void GIVES_UP',
    'harness/tensor/onnxruntime/kernels.test.ts'
  ),
  mutation(
    'Muon forgets its momentum',
    'harness/tensor/muon.ts',
    'm[i] = mi',
    'm[i] = 0 * mi',
    'harness/tensor/muon.test.ts'
  ),
  mutation(
    'the curriculum is all documents',
    'harness/training/data.ts',
    "stage === 'early' ? early :",
    "stage === 'early' && early.length < 0 ? early :",
    'harness/training/training.test.ts'
  ),
  mutation(
    'a thread moves what another one moves',
    'harness/training/shared.ts',
    'return least === thread',
    'return least >= 0',
    'harness/training/training.test.ts'
  ),
  mutation(
    'kinds that are reported apart count in their property',
    'harness/scoring/summarise.ts',
    'const together = rows.filter((r) => !APART.includes(r.kind))',
    'const together = rows',
    'harness/scoring/scoring.test.ts'
  ),
  mutation(
    'what the unedited model does not know counts as known',
    'harness/scoring/summarise.ts',
    'r.scores[BASE_KNOWS] === 1',
    'r.scores[BASE_KNOWS] !== undefined',
    'harness/scoring/scoring.test.ts'
  ),
  // Comparing
  mutation(
    'p-values are not adjusted',
    'harness/compare/compare.ts',
    'const adjusted = holm(tested)',
    'const adjusted = tested',
    'harness/compare/compare.test.ts',
    'is adjusted'
  ),
  mutation(
    'questions count as cases',
    'harness/compare/pairs.ts',
    'pairs.cases[some[i]!] === of; i++',
    'tallies.run.share !== tallies.run.share; i++',
    'harness/compare/compare.test.ts'
  ),
  mutation(
    'an answer is compared with one at another checkpoint',
    'harness/compare/pairs.ts',
    "equal('checkpoint', a, b) &&",
    '',
    'harness/compare/compare.test.ts'
  ),
  mutation(
    'a short text is taken for another one',
    'harness/results/columns.ts',
    'other !== undefined && same(bytes, offsets, i, rows[slot]!)',
    'other !== undefined',
    'harness/results/results.test.ts'
  ),
  mutation(
    'other machines’ times are compared',
    'harness/compare/compare.ts',
    'if (machine !== other)',
    'if (false as boolean)',
    'harness/compare/compare.test.ts'
  ),
  mutation(
    'a bad night becomes the baseline',
    'harness/compare/find-run.ts',
    'r.dir !== runDir && gatePassed(r.dir) === true',
    'r.dir !== runDir',
    'harness/nightly.test.ts'
  ),
  mutation(
    'a rule is about everything',
    'harness/compare/gate.ts',
    'rule[key] === undefined || rule[key] === c[key]',
    'rule[key] === undefined || c[key] !== undefined',
    'harness/compare/gate.test.ts'
  ),
  mutation(
    'a rule about a property is about its kinds too',
    'harness/compare/gate.ts',
    '(rule.kind ?? null) === c.kind &&',
    '',
    'harness/compare/gate.test.ts'
  ),
  mutation(
    'the pages leave out what is reported apart',
    'reports/leaderboard.ts',
    'k.property === p && APART.includes(k.kind)',
    'k.property === p && k.kind === p',
    'reports/reports.test.ts'
  ),
  mutation(
    'steps are not adjusted for the lines that are looked at',
    'harness/compare/steps.ts',
    'places.length * options.lines',
    'places.length',
    'harness/compare/steps.test.ts'
  ),
  mutation(
    'a step is described by all runs around it',
    'harness/compare/steps.ts',
    'steps[i + 1]?.at ?? runs',
    'runs',
    'harness/compare/steps.test.ts'
  ),
  mutation(
    'times of unlike machines share a line',
    'harness/compare/history.ts',
    'machineName(run.machine)}`)',
    '1}`)',
    'harness/compare/history.test.ts'
  ),
  mutation(
    'LaTeX acts on what labels say',
    'reports/export.ts',
    'LATEX_TEXT[c] ?? ',
    'c || ',
    'reports/reports.test.ts'
  ),
  // The hub
  mutation(
    'the token goes to whatever host a list names',
    'harness/hub/client.ts',
    "if (url.origin !== origin) headers.delete('Authorization')",
    '',
    HUB
  ),
  mutation('a checksum may be a path', 'harness/hub/client.ts', 'ETAG.test(etag)', 'etag.length > 2', HUB),
  mutation('a revision may be a path', 'harness/hub/cache.ts', 'REVISION.test(revision) &&', '', HUB),
  mutation(
    'a download has no end',
    'harness/hub/download.ts',
    'if (size > file.bytes) throw tooLong(repository, file, partial)',
    '',
    HUB
  ),
  mutation(
    'a list has no end',
    'harness/hub/client.ts',
    'seen.has(url.href) || seen.size >= MOST_PAGES',
    'false as boolean',
    HUB
  ),
  // Hostile files
  mutation(
    'a pickle may pile up what it wants',
    'harness/model/checkpoint/unpickle.ts',
    'this.#stack.push(value) > MOST_STACKED',
    'this.#stack.push(value) < 0',
    HOSTILE
  ),
  mutation(
    'any value of a pickle can be a name',
    'harness/model/checkpoint/unpickle.ts',
    "if (typeof module !== 'string' || typeof name !== 'string')",
    'if (false as boolean)',
    HOSTILE
  ),
  mutation(
    'heads need not share the width',
    'harness/model/language-model.ts',
    'if (!Number.isSafeInteger(headDim))',
    'if (false as boolean)',
    HOSTILE
  ),
  mutation(
    'there is no limit to blocks',
    'harness/model/architectures/config-reader.ts',
    'return this.count(key, undefined, 10_000)',
    'return this.count(key, undefined, 1000)',
    HOSTILE
  ),
  mutation(
    'JSON may be of any depth',
    'harness/json-file.ts',
    'if (depthOf(text) > MOST_DEPTH)',
    'if (false as boolean)',
    HOSTILE
  ),
  mutation(
    'a normalizer may make texts of any length',
    'harness/model/tokenizer/components.ts',
    'if (growthOf(part) > MOST_GROWTH)',
    'if (false as boolean)',
    HOSTILE
  ),
  mutation(
    'a stored edit may hold NaN',
    'harness/edit/store.ts',
    'if (allFinite(data)) return data',
    'if (data.length > 0) return data',
    HOSTILE
  ),
  mutation(
    'a shard may lie anywhere',
    'harness/model/checkpoint/index.ts',
    '/^[\\w][\\w.-]*$/.test(v)',
    'v.length < 100',
    HOSTILE
  ),
  // Pages
  mutation(
    'one label with other settings is one line',
    'reports/leaderboard.ts',
    'canonical([method.name, method.hyperparameters])',
    'canonical([method.name])',
    REPORTS,
    'other settings'
  ),
  mutation(
    'lines of different scoring share a table',
    'reports/leaderboard.ts',
    'dataset.options, protocol, scoring, run.grading',
    'dataset.options, protocol, run.grading',
    REPORTS,
    'never puts lines'
  ),
  mutation('zero may be negative', 'reports/format.ts', "text === '-0.0' ? '0.0' : ", '', REPORTS, 'minus'),
  mutation(
    'texts of two lines become formulas',
    'reports/csv.ts',
    'escapeFormulae: FORMULA',
    'escapeFormulae: true',
    REPORTS,
    'formula'
  ),
  mutation(
    'the pages let scripts run',
    'reports/render.ts',
    "`default-src 'none'; style-src",
    "`default-src * 'unsafe-inline'; style-src",
    REPORTS,
    'in a browser'
  ),
  mutation(
    'data is put into pages as it is',
    'reports/templates/run.hbs',
    '<td>{{prompt}}</td>',
    '<td>{{{prompt}}}</td>',
    REPORTS,
    'escapes'
  ),
  // Further datasets and measures
  mutation(
    'MQuAKE’s three questions are three things',
    'datasets/mquake/mquake.ts',
    "anyOf: 'questions',",
    'anyOf: question,',
    DATA,
    'three ways'
  ),
  mutation(
    'hops that an edit writes are asked as unedited',
    'datasets/mquake/mquake.ts',
    'if (edits.some((e) => sameText(e.prompt, cloze))) return []',
    "if (edits.length === 0 || cloze === '') return []",
    DATA,
    'no edit writes'
  ),
  mutation(
    'all hops right is the mean of them',
    'harness/scoring/summarise.ts',
    '(measure.allUnder === undefined ? mean(values) : Math.min(...values))',
    '(measure.allUnder === undefined ? mean(values) : mean(values))',
    SUMMARY,
    'instance-wise'
  ),
  mutation(
    'staying on topic is not asked',
    'harness/scoring/measures/sentiment.ts',
    'Math.min(1, Math.exp(before - wanted)) / (1',
    '1 / (1',
    MEASURED
  ),
  mutation(
    'divergence runs from the edited model',
    'harness/model/score.ts',
    'before.exp().mul(before.sub(after))',
    'after.exp().mul(after.sub(before))',
    MEASURED
  ),
  mutation(
    'perplexity is a likelihood',
    'harness/scoring/measures/perplexity.ts',
    'undefined : Math.exp(nll)',
    'undefined : nll',
    MEASURED
  ),
  mutation(
    'articles count in free answers',
    'harness/scoring/free-answers.ts',
    '(a|an|the)(?![',
    '(a|an)(?![',
    MEASURED,
    'normalises'
  ),
  mutation(
    'a thought is an answer',
    'harness/scoring/asking/words.ts',
    "    return at < 0\n      ? ''",
    '    return at < 0\n      ? text',
    SCORE,
    'thinks aloud'
  ),
  mutation(
    'free answers of overflowing models are right',
    'harness/scoring/asking/row.ts',
    'Number(answer !== undefined && answersFreely(answer, own',
    'Number(answer === undefined || answersFreely(answer, own',
    SCORE,
    'overflowing'
  ),
  mutation(
    'a damaged memory is believed',
    'harness/scoring/remember.ts',
    'n`) ? text : undefined',
    'n`) || text !== "" ? text : undefined',
    REMEMBER,
    'changed'
  ),
  mutation(
    'the judge is asked every time',
    'harness/scoring/judge.ts',
    'if (existsSync(file)) return',
    "if (existsSync(folder) && what.answer === '') return",
    JUDGE,
    'once'
  ),
  mutation(
    'general ability is part of other measures',
    'harness/scoring/summarise.ts',
    'about === undefined ? !APART.includes(kind) : about.includes(kind)',
    "about === undefined ? kind !== '' : about.includes(kind)",
    SUMMARY,
    'every checkpoint'
  ),
  mutation(
    'a last block that works for some positions looks one key less far',
    'harness/model/queries.ts',
    'const end = before + (place % seq) + 1',
    'const end = before + (place % seq)',
    GOLDEN,
    'logits alone are wanted the last block'
  ),
  mutation(
    'what is settled stands though something in the block is changed',
    'harness/model/forward.ts',
    'alone && !isTouched(first, options)',
    'alone',
    GOLDEN,
    'first block need not'
  ),
  mutation(
    'large batches of all methods are one shard',
    'harness/runner/shards.ts',
    "protocol.kind === 'batch' && protocol.size > shard_size",
    "protocol.kind === 'batch' && protocol.size < 0",
    PLAN,
    'share shards'
  ),
  mutation(
    'traced blocks begin with the one that tracing suggests',
    'methods/locate/learnt.ts',
    'const from = tracedLayer(artifact!) - Math.floor(count / 2)',
    'const from = tracedLayer(artifact!)',
    'methods/locate/traced.test.ts',
    'around it'
  ),
  mutation(
    'models write on from edits though the dataset has prompts for that',
    'harness/runner/plan.ts',
    'unedited === true || probes.some((p) => p.writes !== undefined)',
    'unedited === true',
    PLAN,
    'write on'
  ),
  mutation(
    'long sentences count more in the perplexity of all',
    'harness/scoring/measures/perplexity.ts',
    'weight: () => 1,',
    "weight: ({ caseId }) => 1 + Number(caseId === '1'),",
    PAPERS
  ),
  mutation(
    'long texts count no more than short ones in bits a byte',
    'harness/scoring/measures/general.ts',
    "weight: ({ scores }) => scores[scoreKey('bytes', 'before')] ?? 0,",
    'weight: () => 1,',
    PAPERS
  ),
  mutation(
    'the likelihood a character is that of the whole answer',
    'harness/scoring/measures/general.ts',
    'n / [...texts[i]!].length',
    'n',
    PAPERS
  ),
  mutation(
    'first tokens of labels are compared by the labels',
    'harness/scoring/measures/labels.ts',
    'placeOf(right, first)',
    'placeOf(right, nll)',
    PAPERS
  ),
  mutation(
    'a fact is known when it is as likely as half of the wrong ones',
    'harness/scoring/measures/cka.ts',
    'Number(cka > 1)',
    'Number(cka > 0.5)',
    PAPERS
  ),
  mutation(
    'all ways of asking a multi-hop question must be right',
    'harness/scoring/summarise.ts',
    'measure.higherIsBetter ? Math.max : Math.min',
    'Math.min',
    PAPERS
  ),
  mutation(
    'the right choice is the least likely',
    'harness/scoring/measures/general.ts',
    'nll.indexOf(Math.min(...nll))',
    'nll.indexOf(Math.max(...nll))',
    SCORE,
    'general ability'
  ),
  mutation(
    'facts of a case are inserted at once by methods that hold one',
    'harness/runner/protocol.ts',
    "oneByOne || (kind === 'single' && !holdsMany)",
    "oneByOne || (kind === 'single' && oneByOne)",
    SHARD,
    'a method holds one'
  ),
  mutation(
    'rows of a table have the line before theirs',
    'datasets/tables.ts',
    "        yield '\\n'.repeat(lines)\n",
    "        yield ''\n",
    TABLES,
    'line of each row'
  ),
  mutation(
    'conflicting edits are duplicates',
    'datasets/check.ts',
    'else if (known.target !== normal(target))',
    'else if (known.target === normal(target))',
    CHECK,
    'two answers'
  ),
  mutation(
    'spaces are named where the format has them',
    'datasets/check.ts',
    'if (lines.length < texts / 2) for',
    'if (lines.length < texts * 2) for',
    CHECK,
    'spaces'
  ),
  // Locate, then edit
  mutation(
    'every block takes all that is missing',
    'methods/locate/spread.ts',
    '(targets[fact]![d]! - x) / left)',
    '(targets[fact]![d]! - x))',
    MEMIT,
    'MEMIT'
  ),
  mutation(
    'all contexts weigh the same in a key',
    'methods/locate/spread.ts',
    'key[k]! / (2 * counts[fact]!)',
    'key[k]! / (1 + counts[fact]!)',
    MEMIT,
    'MEMIT'
  ),
  mutation(
    'keys are read under the edits of the first group',
    'methods/locate/spread.ts',
    '(fact) => edits[groupOf[fact]!]',
    '() => edits[0]',
    MEMIT,
    'alone'
  ),
  mutation(
    'facts of one edit do not see each other',
    'methods/locate/closed-form.ts',
    'dot(keys[i]!, solved[j]!) + (i === j ? 1 : 0)',
    'i === j ? dot(keys[i]!, solved[j]!) + 1 : 0',
    CLOSED
  ),
  mutation(
    'a change of many facts forgets what it costs',
    'methods/locate/closed-form.ts',
    'matrix[i] = matrix[i]! + gram[i]!',
    'matrix[i] = gram[i]! + (i % (n + 1) === 0 ? 1e-3 : 0)',
    CLOSED
  ),
  mutation(
    'a factor is updated by the first of several vectors',
    'harness/tensor/linalg.ts',
    'for (const vector of vectors) {\n      const x = Float64Array.from(vector)',
    'for (const vector of vectors.slice(0, 1)) {\n      const x = Float64Array.from(vector)',
    'harness/tensor/linalg.test.ts'
  ),
  mutation(
    'edits of a sequence forget the keys before',
    'methods/alphaedit/index.ts',
    'const keys = [...this.keys, ...more]',
    'const keys = [...more]',
    MEMIT,
    'AlphaEdit'
  ),
  mutation(
    'changes go where the corpus has its keys',
    'methods/alphaedit/null-space.ts',
    'return holds ? Float32Array.from(inside) :',
    'return !holds ? Float32Array.from(inside) :',
    MEMIT,
    'AlphaEdit'
  ),
  mutation(
    'EMMET reaches half of what a single fact demands',
    'methods/emmet/index.ts',
    'solved.map((x) => x / reach)',
    'solved.map((x) => x / (2 * reach))',
    MEMIT,
    'EMMET'
  ),
  mutation(
    'the anchor is a mean with the longest values',
    'methods/locate/norm-anchor.ts',
    'sorted.length - Math.floor(DROPPED * sorted.length)',
    'sorted.length',
    'methods/locate/norm-anchor.test.ts'
  ),
  mutation(
    'neurons are found at the gradient, not at the neuron times it',
    'methods/kn/attribution.ts',
    '.mul(neurons.reshape([count, width]))',
    '.mul(neurons.reshape([count, width]).sign())',
    KN,
    'golden'
  ),
  mutation(
    'the integral leaves out its end',
    'methods/kn/attribution.ts',
    'i / (steps - 1)',
    'i / steps',
    KN,
    'golden'
  ),
  mutation(
    'a neuron that half the ways share is shared by all',
    'methods/kn/index.ts',
    'count > p * sets.length',
    'count > 0',
    KN
  ),
  mutation(
    'states are given back from noisy runs',
    'harness/tracing/trace.ts',
    'const all = new Cells(model, facts, samples, clean, corrupted)',
    'const all = new Cells(model, facts, samples, corrupted, corrupted)',
    TRACE,
    'golden'
  ),
  mutation(
    'a window begins a block late',
    'harness/tracing/trace.ts',
    'layer - Math.floor(window / 2)',
    'layer - Math.floor(window / 2) + 1',
    TRACE,
    'golden'
  ),
  mutation(
    'noise is on every token',
    'harness/tracing/runs.ts',
    'added[row + from * dim + k]',
    'added[row + k]',
    TRACE,
    'golden'
  ),
  mutation(
    'triples of words count no more than pairs',
    'harness/scoring/written/entropy.ts',
    '[3, 4 / 3]',
    '[3, 2 / 3]',
    'harness/scoring/written/written.test.ts',
    'entropies'
  ),
  mutation(
    'every method inserts one by one where one needs it',
    'harness/runner/protocol.ts',
    "=== 'where_needed' ? !holdsMany",
    "=== 'where_needed' ? true",
    PLAN,
    'where the method needs it'
  ),
  mutation(
    'a turn begins with a normaliser of its own',
    'methods/ultraedit/index.ts',
    'before === undefined ? new RunningNormaliser(width + out)',
    'before !== undefined ? new RunningNormaliser(width + out)',
    ULTRA
  ),
  mutation(
    'every map has a normaliser of its own',
    'methods/ultraedit/index.ts',
    'const [out, width] = shapeOf(site)\n    const shape =',
    'const [out, width] = shapeOf(site)\n    const shape = site +',
    ULTRA,
    'llama'
  ),
  mutation(
    'labels of short batches weigh more',
    'methods/ultraedit/gradients.ts',
    '1 / tokens[batch]!)',
    '1 / at.length)',
    ULTRA,
    'golden'
  ),
  mutation(
    'a batch is spread over as many as it has',
    'methods/ultraedit/normaliser.ts',
    '(more * delta) / now',
    'delta / now',
    ULTRA
  ),
  mutation(
    'an answer that ends by another sign is another one',
    'harness/scoring/answers.ts',
    '(i === last && ends(id) && ends(said[i]))',
    'false',
    SCORE,
    'whatever ends it'
  ),
  mutation(
    'a codebook is looked up once more where the prompt lies in the past',
    'harness/edit/kinds/codebook.ts',
    'end >= 0 && end < seq',
    'end < seq',
    BOOK
  ),
  mutation(
    'a value stands wherever its key is nearest',
    'harness/edit/kinds/codebook.ts',
    'found.distance > part.radii[found.entry]!',
    'found.distance < 0',
    BOOK,
    'out of every radius'
  ),
  mutation(
    'an earlier entry keeps its place',
    'harness/edit/kinds/codebook.ts',
    'newest.set(number, { part, at })',
    'if (!newest.has(number)) newest.set(number, { part, at })',
    BOOK,
    'takes the place'
  ),
  mutation(
    'the last token is replaced with those before it',
    'harness/edit/kinds/codebook.ts',
    "(replacement === 'replace_last' ? end : 0)",
    '0',
    BOOK
  ),
  mutation(
    'neurons of a second part have the biases of the first',
    'harness/edit/kinds/neurons.ts',
    "biases: all('biases')",
    'biases: new Float32Array(count)',
    'harness/edit/kinds/neurons.test.ts',
    'several parts'
  ),
  mutation('a split entry keeps its radius', 'methods/grace/book.ts', 'radius: distance / 2 - 1e-5', 'radius', GRACE),
  mutation('a grown radius reaches just to the query', 'methods/grace/book.ts', '(1 + HAIR)', '1', GRACE),
  mutation(
    'the same words with another target leave two entries that nothing reaches',
    'methods/grace/book.ts',
    'distance < SAME_PLACE',
    'distance < 0',
    GRACE
  ),
  mutation(
    'a fact that joins an entry starts from a new value',
    'methods/grace/index.ts',
    'places[i]!.value ?? newValue',
    'undefined ?? newValue',
    GRACE,
    'golden'
  ),
  mutation(
    'what the edits before were made for is forgotten',
    'methods/grace/index.ts',
    'const all = [...labels]',
    'const all: (readonly number[])[] = labels.map(() => [])',
    GRACE
  ),
  mutation(
    'a prefix is taken for a prompt, and looked up',
    'methods/passes.ts',
    'prompts: lengths.map(() => Number.POSITIVE_INFINITY)',
    'prompts: lengths',
    GRACE,
    'prefix'
  ),
  mutation(
    'every copy of an example counts once',
    'methods/t-patcher/losses.ts',
    'Math.min(repeat, top - rank * repeat)',
    '1',
    PATCHER
  ),
  mutation(
    'the largest values are the first ones',
    'methods/t-patcher/losses.ts',
    'if (!(values[index]! > least)) continue',
    'if (index >= 0) continue',
    PATCHER
  ),
  mutation(
    'patches are not told from each other at other texts',
    'methods/t-patcher/losses.ts',
    'margin_val1 - acts[patch]!',
    'margin_val1 - acts[0]!',
    PATCHER
  ),
  mutation(
    'the rate is never halved',
    'methods/t-patcher/train.ts',
    '++this.#bad > PLATEAU.patience',
    '++this.#bad > 1e9',
    PATCHER
  ),
  mutation(
    'gradients are not clipped',
    'methods/t-patcher/train.ts',
    'Math.min(1, CLIP / (length + 1e-6))',
    '1',
    PATCHER
  ),
  mutation(
    'an edit ends though its target is not said',
    'methods/t-patcher/train.ts',
    'step <= this.rules.start_val_epoch || !right',
    'step <= 0',
    PATCHER
  ),
  mutation(
    'patches act on the facts beside theirs',
    'methods/t-patcher/train.ts',
    'row * this.#count + patch, row * this.#count + patch + count',
    'row * this.#count, (row + 1) * this.#count',
    PATCHER,
    'company'
  ),
  mutation(
    'the tokens of earlier edits are not remembered',
    'methods/t-patcher/index.ts',
    'joined([remembered, lesson.queries])',
    'lesson.queries',
    PATCHER,
    'on top of another'
  ),
  mutation(
    'an update is as long as it comes',
    'harness/tensor/adafactor.ts',
    'Math.max(1, Math.sqrt(squares / matrix.length))',
    '1',
    CALINET,
    'golden'
  ),
  mutation(
    'the second moment forgets as fast at every step',
    'harness/tensor/adafactor.ts',
    '1 - this.#steps ** -0.8',
    '0.5',
    CALINET,
    'golden'
  ),
  mutation(
    'values come back as they were trained, turned',
    'methods/calinet/index.ts',
    'values.set(transpose(transposed, dim, slots))',
    'values.set(transposed)',
    CALINET
  ),
  mutation(
    'a new editor has nothing to learn by',
    'methods/mend/editor.ts',
    'tf.maximum(before, tf.zerosLike(before))',
    'tf.relu(before)',
    MEND,
    'can learn at once'
  ),
  mutation(
    'spreads are of all rows, not of one less',
    'methods/mend/editor.ts',
    'Math.sqrt(s / (n - 1)) + EPSILON',
    'Math.sqrt(s / n) + EPSILON',
    MEND,
    'golden'
  ),
  mutation(
    'what is kept is measured the other way round',
    'methods/mend/loss.ts',
    'before.exp().mul(before.sub(after))',
    'after.exp().mul(after.sub(before))',
    MEND,
    'golden'
  ),
  mutation(
    'an example is changed by the edit of another',
    'methods/mend/loss.ts',
    'slots[edit * most + row] = at++',
    'slots[(own.length - 1 - edit) * most + row] = at++',
    MEND,
    'their own edit'
  ),
  mutation(
    'how far a map goes is not learnt by',
    'methods/mend/index.ts',
    'lr * rows[r * dim + width + o]!',
    'rows[r * dim + width + o]!',
    MEND,
    'golden'
  ),
  mutation(
    'the last editor is kept, not the best',
    'methods/mend/train.ts',
    'seen.total < state.best.loss',
    'true',
    MEND,
    'makes an editor'
  ),
  mutation(
    'an interrupted training forgets what its optimizer knew',
    'methods/mend/train.ts',
    '!.set(data)',
    '!.set(data.map(() => 0))',
    MEND,
    'interrupted'
  )
]
