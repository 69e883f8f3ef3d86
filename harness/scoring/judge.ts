import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { UserError } from '../errors'
import { PATIENCE, PassingStatus, type Patience, patiently, SILENCE_MS } from '../hub/patience'
import { makeFolder, replaceWhole } from '../replace'
import type { AnswerRow } from '../results/rows'
import { JUDGED, type Side, scoreKey } from './measures'

/*
 * A language model behind an OpenAI-compatible endpoint that says whether free answers are right (zjunlp/EasyEdit, llm_judge; Yang et al. 2025, arXiv
 * 2502.11177). What it said once about a question, its right answer and an answer is kept: a run that goes on has the same numbers, and pays once.
 */

export interface JudgeOptions {
  /** Of its API: `https://api.openai.com/v1`. */
  readonly url: string
  readonly model: string
  /** Name of the environment variable that holds its key. */
  readonly keyFrom: string
}

/** The words of EasyEdit's llm_judge, with the gaps {question}, {target} and {answer}. */
const PROMPT = `Your job is to look at a question, a gold target, and a predicted answer, and then assign a grade of either ["CORRECT", "INCORRECT"].

The following are examples of CORRECT predicted answers.
\`\`\`
Question: What are the names of Barack Obama's children?
Gold target: Malia Obama and Sasha Obama
Predicted answer 1: sasha and malia obama
Predicted answer 2: Malia and Sasha Obama are the names of Barack Obama's children.
\`\`\`
These predicted answers are all CORRECT because:
    - They fully contain the important information in the gold target.
    - They do not contain any information that contradicts the gold target.

The following are examples of INCORRECT predicted answers.
\`\`\`
Question: What are the names of Barack Obama's children?
Gold target: Malia and Sasha
Predicted answer 1: Malia.
Predicted answer 2: Malia, Sasha, and Susan.
Predicted answer 3: Malia and Sasha, Malia and Sasha, Malia and Sasha, Malia and Sasha (repeated answer)
\`\`\`
These predicted answers are all INCORRECT because:
    - A factual statement in the answer contradicts the gold target or contain repeated answer.


Here is a sample. Simply reply with either CORRECT or INCORRECT.

\`\`\`
Question: {question}
Gold target: {target}
Predicted answer: {answer}
\`\`\`

According to the gold target, please grade the predicted answer of this question as one of:
A: CORRECT
B: INCORRECT

Just return the letters "A" or "B", with no text around it.`

/** Names the prompt: judgements by another one are other numbers. */
export const JUDGE_PROMPT = createHash('sha256').update(PROMPT).digest('hex').slice(0, 12)

const AT_ONCE = 8

interface Judgement {
  readonly question: string
  readonly target: string
  readonly answer: string
}

/** Adds to rows with free answers whether the judge takes them as right. Locality, where nothing is right or wrong, is left alone. */
export async function judged(
  rows: readonly AnswerRow[],
  judge: JudgeOptions,
  cacheDir: string,
  patience: Patience = PATIENCE
): Promise<AnswerRow[]> {
  const limit = pLimit(AT_ONCE)
  const asked = new Map<string, Promise<boolean>>()
  const isRight = (what: Judgement): Promise<boolean> => {
    const key = JSON.stringify(what)
    const known = asked.get(key) ?? limit(() => judgement(what, judge, cacheDir, patience))
    asked.set(key, known)
    return known
  }
  return Promise.all(
    rows.map(async (row) => {
      const { property, prompt: question, expected: target, freeBefore, freeAfter } = row
      if (property === 'locality' || freeBefore == null || freeAfter == null) return row
      const score = async (side: Side, answer: string) =>
        [scoreKey(JUDGED, side), Number(answer !== '' && (await isRight({ question, target, answer })))] as const
      const scores = await Promise.all([score('before', freeBefore), score('after', freeAfter)])
      return { ...row, scores: { ...row.scores, ...Object.fromEntries(scores) } }
    })
  )
}

async function judgement(what: Judgement, judge: JudgeOptions, cacheDir: string, patience: Patience): Promise<boolean> {
  const folder = join(cacheDir, 'judge')
  const name = createHash('sha256')
    .update(JSON.stringify([judge.url, judge.model, JUDGE_PROMPT, what]))
    .digest('hex')
  const file = join(folder, `${name}.txt`)
  if (existsSync(file)) return readFileSync(file, 'utf8') === 'A'
  const said = await ask(what, judge, patience)
  makeFolder(folder)
  replaceWhole(file, (fresh) => writeFileSync(fresh, said))
  return said === 'A'
}

/** @throws UserError when the endpoint does not answer as one of its kind does */
async function ask(what: Judgement, { url, model, keyFrom }: JudgeOptions, patience: Patience): Promise<'A' | 'B'> {
  const key = process.env[keyFrom]
  if (key === undefined || key === '')
    throw new UserError(`the judge's key is missing: ${keyFrom} is not set`, {
      hint: "'key_from' of the judge names the environment variable that holds it"
    })
  const content = PROMPT.replace(/\{(question|target|answer)\}/g, (_, name: keyof Judgement) => what[name])
  const address = `${url.replace(/\/$/, '')}/chat/completions`
  const bad = (message: string, hint: string) => new UserError(`the judge ${message}`, { place: address, hint })
  const text = await patiently(
    patience,
    () => {},
    async () => {
      const response = await fetch(address, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model,
          messages: [
            { role: 'system', content: '' },
            { role: 'user', content }
          ],
          temperature: 0
        }),
        signal: AbortSignal.timeout(SILENCE_MS)
      })
      const passing = PassingStatus.of(response)
      if (passing !== undefined) throw passing
      if (!response.ok)
        throw bad(`answered ${response.status}`, `is '${model}' served there, and the key in ${keyFrom} good?`)
      return response.text()
    }
  ).catch((error: unknown) => {
    if (error instanceof UserError) throw error
    throw bad(`cannot be reached: ${(error as Error).message}`, 'run again with --resume when it can: nothing is lost')
  })
  const reply = replyOf(text)
  if (reply === 'A' || reply === 'B') return reply
  throw bad(
    `said ${JSON.stringify(reply ?? text.slice(0, 80))} instead of A or B`,
    'choose a model that follows instructions'
  )
}

function replyOf(text: string): string | undefined {
  try {
    const { choices } = JSON.parse(text) as { choices?: { message?: { content?: unknown } }[] }
    const content = choices?.[0]?.message?.content
    return typeof content === 'string' ? content.trim() : undefined
  } catch {
    return undefined
  }
}
