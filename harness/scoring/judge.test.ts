import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AnswerRow } from '../results/rows'
import { judged } from './judge'

let server: Server
let dir: string
let asked: { authorization: string | undefined; model: string; content: string }[]
/** What the endpoint answers next: a status, or what its model says. */
let replies: (number | string)[]

beforeEach((done) => {
  dir = mkdtempSync(join(tmpdir(), 'bench-judge-'))
  asked = []
  replies = []
  process.env.JUDGE_TEST_KEY = 'secret'
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const { model, messages, temperature } = JSON.parse(body)
      expect([request.url, temperature]).toEqual(['/v1/chat/completions', 0])
      asked.push({ authorization: request.headers.authorization, model, content: messages[1].content })
      const reply = replies.shift() ?? (/Predicted answer: Lima\b/.test(messages[1].content) ? 'A' : 'B')
      if (typeof reply === 'number') response.writeHead(reply).end()
      else response.end(JSON.stringify({ choices: [{ message: { content: reply } }] }))
    })
  }).listen(0, '127.0.0.1', done)
})
afterEach(() => {
  server.close()
  delete process.env.JUDGE_TEST_KEY
  rmSync(dir, { recursive: true, force: true })
})

const judge = () => ({
  url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
  model: 'm',
  keyFrom: 'JUDGE_TEST_KEY'
})
const row = (change: Partial<AnswerRow>) =>
  ({
    property: 'accuracy',
    prompt: 'Where was Ilse born?',
    expected: 'Lima',
    freeBefore: 'Oslo',
    freeAfter: 'Lima in Peru',
    scores: { kept: 1 },
    ...change
  }) as AnswerRow
const patience = { attempts: 3, firstWaitMs: 1 }
const judge_ = (rows: AnswerRow[]) => judged(rows, judge(), dir, patience)

it('says whether free answers are right, with the question, the right answer and the answer before it', async () => {
  const [judgedRow] = await judge_([row({})])
  expect(judgedRow!.scores).toEqual({ kept: 1, 'judged.before': 0, 'judged.after': 1 })
  expect(asked.map((a) => [a.authorization, a.model])).toEqual([
    ['Bearer secret', 'm'],
    ['Bearer secret', 'm']
  ])
  expect(asked[1]!.content).toContain(
    'Question: Where was Ilse born?\nGold target: Lima\nPredicted answer: Lima in Peru'
  )
})

it('is asked once about each answer, also in a later run', async () => {
  await judge_([row({}), row({})])
  expect(asked).toHaveLength(2)
  expect((await judge_([row({})]))[0]!.scores['judged.after']).toBe(1)
  expect(asked).toHaveLength(2)
  expect(readdirSync(join(dir, 'judge'))).toHaveLength(2)
})

it('is not asked about locality, rows without free answers, or no words at all', async () => {
  const rows = [
    row({ property: 'locality' }),
    row({ freeBefore: null, freeAfter: null }),
    row({ freeBefore: '', freeAfter: '' })
  ]
  const [locality, none, empty] = await judge_(rows)
  expect([locality!.scores, none!.scores]).toEqual([{ kept: 1 }, { kept: 1 }])
  expect(empty!.scores).toMatchObject({ 'judged.before': 0, 'judged.after': 0 })
  expect(asked).toEqual([])
})

it('puts answers into its prompt as they are', async () => {
  await judge_([row({ freeBefore: '$& {question}', freeAfter: '$& {question}' })])
  expect(asked[0]!.content).toContain('Predicted answer: $& {question}')
})

it('is asked again when it cannot answer now', async () => {
  replies = [503, 429]
  expect((await judge_([row({ freeBefore: 'Lima', freeAfter: 'Lima' })]))[0]!.scores['judged.after']).toBe(1)
  expect(asked).toHaveLength(3)
})

it.each([
  [[404], /v1\/chat\/completions: the judge answered 404\n.*is 'm' served there/],
  [['perhaps'], /the judge said "perhaps" instead of A or B/],
  [[503, 503, 503], /the judge cannot be reached: the server answered 503\n.*--resume/]
])('that answers %j is an error that says so, and nothing is kept', async (said, message) => {
  replies = said
  const failed = judge_([row({ freeBefore: 'x', freeAfter: 'x' })]).catch((error) => error.format())
  expect(await failed).toMatch(message)
  expect(() => readdirSync(join(dir, 'judge'))).toThrow()
})

it('needs its key', async () => {
  delete process.env.JUDGE_TEST_KEY
  await expect(judge_([row({})])).rejects.toThrow("the judge's key is missing: JUDGE_TEST_KEY is not set")
})
