import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { useBackend } from '../tensor'
import { embeddedModels, encodePrompt, openModel, padBatch } from '.'

/** What transformers makes of the embedded models: golden/embedded.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'embedded.json'), 'utf8')) as Record<
  string,
  {
    parameters: number
    answers: { prompt: string; ids: number[]; top: number[]; logits: number[]; said: number[] }[]
  }
>

beforeAll(async () => void (await useBackend('onnxruntime', { threads: 1 })))

it('are all compared', () => expect(Object.keys(golden).sort()).toEqual([...embeddedModels()].sort()))

it.each(Object.keys(golden))('%s says what it says in transformers', async (name) => {
  const model = await openModel(name)
  const { answers } = golden[name]!
  for (const { prompt, ids, top, logits, said } of answers) {
    expect(encodePrompt(model.tokenizer, prompt)).toEqual(ids)
    const { logits: own, hidden } = model.forward(padBatch([ids]), {
      logitsAt: { rows: Int32Array.of(0), positions: Int32Array.of(ids.length - 1) }
    })
    const values = own!.dataSync()
    for (const [i, id] of top.entries()) expect(values[id]!).toBeCloseTo(logits[i]!, 3)
    own!.dispose()
    hidden.dispose()
    const [generated] = model.generate([{ prompt }], { maxNewTokens: said.length })
    expect(generated).toEqual(said.filter((id) => id !== model.tokenizer.endOfText))
  }
  model.dispose()
})
