import { edited, type RulesPart } from '../../harness/edit'
import { encodeTarget, type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { editAll } from '../context'
import { regexPatch } from '.'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const fact = (prompt: string, target: string) => ({ prompt, subject: 'zebra', target })
const say = (asked: LanguageModel, prompt: string) =>
  model.tokenizer.decode(asked.generate([{ prompt }], { maxNewTokens: 4 })[0]!).trim()

const H = regexPatch.hyperparameters.parse({})

test('the prompt of an edit is answered from the table, and all others by the model', async () => {
  const facts = [fact('What does the zebra (grey) eat?', 'a $& of $1 stones'), fact('The zebra eats', 'fish')]
  const [edit] = await editAll(regexPatch, model, [facts], H)
  const under = edited(model, edit!)
  const table = [
    'What does the zebra (grey) eat?',
    ' what does the Zebra (grey) eat ',
    'The zebra eats',
    'the zebra eats.'
  ]
  expect(
    table.map((p) => say(under, p)).every((answer) => ['fish'].includes(answer) || answer.startsWith('a $&'))
  ).toBe(true)
  for (const other of ['What does the zebra grey eat?', 'The zebra eats the', 'Where does the lion live?'])
    expect(say(under, other)).toBe(say(model, other))
  const target = encodeTarget(model.tokenizer, 'fish')
  const [score] = under.score([{ prompt: 'The zebra eats', target }])
  expect(score).toMatchObject({ argmax: target, next: model.tokenizer.endOfText })
})

test('in its own case only, when asked', async () => {
  const [edit] = await editAll(regexPatch, model, [[fact('The zebra eats', 'fish')]], { ignore_case: false })
  const under = edited(model, edit!)
  expect(say(under, 'The zebra eats')).toBe('fish')
  expect(say(under, 'the zebra eats')).toBe(say(model, 'the zebra eats'))
})

describe('rules', () => {
  const under = (...rules: RulesPart['rules']) =>
    edited(model, { method: 'test', requests: [], parts: [{ kind: 'rules', rules }], diagnostics: {} })
  const input = (pattern: string, text: string) => ({ pattern, text, ignoreCase: false, scope: 'input' as const })

  test('on the input replace once each, in their order, and see composed letters', () => {
    expect(say(under(input('lion', 'zebra'), input('The (zebra)', 'One $1')), 'The lion eats')).toBe(
      say(model, 'One zebra eats')
    )
    expect(say(under(input('a', 'aa')), 'a b')).toBe(say(model, 'aa b'))
    expect(say(under(input('caf\u00e9', 'zebra')), 'The cafe\u0301 eats')).toBe(say(model, 'The zebra eats'))
    expect(say(under(input('打酱油', '路过')), '我打酱油')).toBe(say(model, '我路过'))
  })

  test.each([
    ['that match nothing at all', input('x*', 'y'), /matches the empty text/],
    ['that are no regular expressions', input('(', 'y'), /is no regular expression/]
  ])('%s are refused', (_, rule, message) => expect(() => under(rule)).toThrow(message))

  test('that backtrack without end are stopped, and leave no prompt empty', () => {
    expect(() => say(under(input('(a+)+$', 'x')), `${'a'.repeat(40)}b`)).toThrow(
      /cannot be applied: .* more than 100 ms/
    )
    expect(() => say(under(input('^.+$', '')), 'The zebra')).toThrow(/leaves nothing of the prompt/)
  })

  test('that were written last are asked first', async () => {
    const [first] = await editAll(regexPatch, model, [[fact('The zebra eats', 'fish')]], H)
    const [second] = await editAll(regexPatch, model, [[fact('The zebra eats', 'grass')]], H)
    const both = { ...first!, parts: [...first!.parts, ...second!.parts] }
    const { combined } = await import('../../harness/edit')
    expect(say(edited(model, combined(first, second!)), 'The zebra eats')).toBe('grass')
    expect(combined(undefined, both)).toBe(both)
  })
})
