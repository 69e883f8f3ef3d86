import { readFileSync, writeFileSync } from 'node:fs'
import { randomStream } from '../random'
import { tracesTable } from '../results/tables'
import { useProgram } from './program.testing'

/** Commands that look into a model, end to end. */

const { bench, config, inFolder } = useProgram()

const CONFIG =
  'models: [gptj-mini]\nmethods: [{ name: rome }]\ndatasets: [{ name: counterfact }]\nlimit: 4\nworkers: 2\n'

describe('bench trace', () => {
  it('writes a row for every cell, and a page with a map of every kind', async () => {
    const { code, stdout } = await bench('trace', config(CONFIG), '--facts', '3', '--samples', '2')
    expect(code).toBe(0)
    const [, table, page] = /^table: (\S+)\nmaps: {2}(\S+)$/m.exec(stdout)!
    const rows = [...tracesTable.read(inFolder(table!))]
    expect(new Set(rows.map((r) => r.fact)).size).toBe(3)
    const [first] = rows
    const own = rows.filter((r) => r.fact === first!.fact)
    const tokens = new Set(own.map((r) => r.token)).size
    // Blocks, MLPs and attentions at every token of eight blocks, and two severed variants at one token.
    expect(own).toHaveLength(8 * (3 * tokens + 2))
    const { high, low } = first!
    const peak = Math.max(...own.map((r) => r.probability))
    expect(high).toBeGreaterThan(0.5)
    expect(low).toBeLessThan(high)
    expect(peak).toBeGreaterThan(low)
    expect(stdout).toMatch(/^gptj-mini +counterfact +3 +0 +\d+\.\d /m)
    const html = readFileSync(inFolder(page!), 'utf8')
    // Three averages, one of severed runs, and three of each fact.
    expect(html.match(/<svg/g)).toHaveLength(3 + 1 + 3 * 3)
    expect(html).toContain(first!.prompt.replaceAll("'", '&#x27;'))
  })

  it('says the same again, as JSON too', async () => {
    const ask = async () => {
      const { stdout } = await bench('trace', config(CONFIG), '--facts', '2', '--samples', '1', '--json')
      const [{ seconds, ...found }] = JSON.parse(stdout)
      expect(seconds).toBeGreaterThan(0)
      return found
    }
    const found = await ask()
    expect(found).toMatchObject({
      model: 'gptj-mini',
      dataset: 'counterfact',
      samples: 1,
      effects: { facts: 2 },
      unknown: []
    })
    expect(await ask()).toEqual(found)
  })

  it.each([
    [['--facts', '0'], /--facts: must be a whole number above 0, found 0/],
    [['--noise=-1'], /--noise: must be above 0, found -1/]
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await bench('trace', config(CONFIG), ...flags)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

describe('bench memories', () => {
  const corpus = () => {
    const text = 'The zebra eats grass. The owl eats mice. The bear eats honey.\n'.repeat(8)
    writeFileSync(inFolder('corpus.txt'), text)
    return ['--corpus', 'corpus.txt', '--tokens', '200']
  }

  it('names the prefixes of a neuron and what it promotes', async () => {
    const flags = ['--layer', '3', '--neuron', '5', '--top', '3', ...corpus()]
    const { code, stdout } = await bench('memories', 'gptj-mini', ...flags)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^block 3, neuron 5 of gptj-mini$/m)
    expect(stdout.match(/→/g)).toHaveLength(3)
    const found = JSON.parse((await bench('memories', 'gptj-mini', ...flags, '--json')).stdout)
    const strengths = found.triggers.map((t: { coefficient: number }) => t.coefficient)
    expect(strengths).toEqual([...strengths].sort((a, b) => b - a))
    expect(found.most[0].logit).toBeGreaterThan(found.least[0].logit)
  })

  it('counts in every block how often keys and values agree', async () => {
    const found = JSON.parse((await bench('memories', 'gptj-mini', ...corpus(), '--json')).stdout)
    expect(found.map((a: { layer: number }) => a.layer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    for (const { neurons, agree } of found) {
      expect(neurons).toBe(768)
      expect(agree).toBeLessThanOrEqual(768)
    }
  })

  it.each([
    [['--layer', '8', '--neuron', '0'], /--layer: must be a whole number from 0 to 7, found 8/],
    [['--layer', '1'], /--neuron: a neuron has a block and a number/]
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await bench('memories', 'gptj-mini', ...flags)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

describe('bench stats', () => {
  it('computes second moments once, into the cache', async () => {
    const random = randomStream(0, 'words')
    const word = () => Array.from({ length: 3 }, () => 'abdeghiklmnorstu'[random.integer(16)]).join('')
    writeFileSync(inFolder('corpus.txt'), Array.from({ length: 300 }, () => `The ${word()} eats ${word()}.\n`).join(''))
    const flags = ['--layers', '2-3', '--corpus', 'corpus.txt', '--tokens', '1500', '--json']
    const before = process.env.BENCH_CACHE
    process.env.BENCH_CACHE = inFolder('cache')
    const ask = async () => JSON.parse((await bench('stats', 'gptj-mini', ...flags)).stdout)
    try {
      const found = await ask()
      expect(found).toMatchObject([
        { site: 'layers.2.mlp.proj', dimensions: 768, tokens: 1500, how: 'computed' },
        { site: 'layers.3.mlp.proj', dimensions: 768, tokens: 1500, how: 'computed' }
      ])
      expect(found[0].file).toMatch(inFolder('cache'))
      expect(await ask()).toEqual(found.map((f: object) => ({ ...f, how: 'cached' })))
    } finally {
      if (before === undefined) delete process.env.BENCH_CACHE
      else process.env.BENCH_CACHE = before
    }
  })

  it('refuses blocks that are not there', async () => {
    const { code, stderr } = await bench('stats', 'gptj-mini', '--layers', '7-8')
    expect(code).toBe(2)
    expect(stderr).toMatch(/--layers: no such blocks: '7-8'.*\n.*the model's are 0 to 7/)
  })
})
