import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import { CachedRepository, fetchRepository, parseRepository, type Repository } from '.'
import { modelFiles } from './fetch'

/** A server on this machine that speaks the part of the hub's API we use, with faults to order. */

const COMMIT = 'c0ffee'.padEnd(40, '0')
const MODEL: Repository = { type: 'model', name: 'org/tiny' }
const patience = { attempts: 4, firstWaitMs: 1 }

const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251))
const FILES: Record<string, Buffer> = {
  'config.json': Buffer.from('{"model_type":"gptj"}'),
  'tokenizer.json': Buffer.from('{}'),
  'model.safetensors': large,
  'pytorch_model.bin': Buffer.from('not wanted'),
  'onnx/model.onnx': Buffer.from('not wanted')
}
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')
const gitSha1 = (data: Buffer) => createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex')

type Fault = (request: IncomingMessage, response: ServerResponse) => boolean
let faults: Fault[] = []
let requests: { path: string; range: string | undefined; authorization: string | undefined }[] = []

/** Answers with `status` so many times. */
const answers = (path: RegExp, status: number, times = 1, headers: Record<string, string> = {}): Fault => {
  let left = times
  return ({ url = '' }, response) => {
    if (!path.test(url) || left-- <= 0) return false
    response.writeHead(status, headers).end()
    return true
  }
}

/** Sends so many bytes of the rest of a file and hangs up. */
const cuts = (bytes: number, times: number): Fault => {
  let left = times
  return (request, response) => {
    if (!/model\.safetensors$/.test(request.url ?? '') || left-- <= 0) return false
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': large.length - start })
    response.write(large.subarray(start, start + bytes), () => response.destroy())
    return true
  }
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { url = '' } = request
  const [path = ''] = url.split('?')
  requests.push({ path, range: request.headers.range, authorization: request.headers.authorization })
  if (faults.some((fault) => fault(request, response))) return
  const json = (value: unknown) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  if (/^\/api\/(models|datasets)\/org\/tiny\/revision\//.test(path)) {
    if (!/(main|v1|HEAD)$/.test(path) && !path.endsWith(COMMIT)) return void response.writeHead(404).end()
    return void json({
      id: 'org/tiny',
      _id: '1',
      sha: COMMIT,
      likes: 0,
      downloads: 0,
      private: false,
      gated: false,
      lastModified: '2026-01-01T00:00:00Z'
    })
  }
  if (path.startsWith('/api/') && path.endsWith(`/tree/${COMMIT}`)) {
    return void json(
      Object.entries(FILES).map(([name, data]) => ({
        type: 'file',
        path: name,
        size: data.length,
        oid: gitSha1(data),
        ...(data.length > 1000 ? { lfs: { oid: sha256(data), size: data.length, pointerSize: 130 } } : {})
      }))
    )
  }
  const name = /\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path)?.[1]
  const data = name === undefined ? undefined : FILES[decodeURIComponent(name)]
  if (data === undefined) return void response.writeHead(404).end()
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(start > 0 ? 206 : 200).end(data.subarray(start))
}

let server: Server
let home: string
const environment = { ...process.env }

beforeAll((done) => {
  server = createServer(serve).listen(0, '127.0.0.1', done)
})
afterAll((done) => {
  server.closeAllConnections()
  server.close(done)
})
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bench-hub-'))
  faults = []
  requests = []
  process.env = {
    ...environment,
    HF_HOME: home,
    HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  delete process.env.HF_TOKEN
  delete process.env.HF_HUB_CACHE
})
afterEach(() => {
  process.env = environment
  rmSync(home, { recursive: true, force: true })
})

const fetchModel = (options = {}) => fetchRepository(MODEL, { revision: 'main', patience, ...options })

async function complaint(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof UserError) return error.format()
    throw error
  }
  throw new Error('nothing was wrong')
}

describe('fetching a model', () => {
  it('brings config, tokenizer and one set of weights into the cache as the Hugging Face libraries lay it out', async () => {
    const { dir, commit, files } = await fetchModel()
    expect(files).toEqual(['config.json', 'tokenizer.json', 'model.safetensors'])
    expect(commit).toBe(COMMIT)
    const root = join(home, 'hub', 'models--org--tiny')
    expect(dir).toBe(join(root, 'snapshots', COMMIT))
    expect(readFileSync(join(root, 'refs', 'main'), 'utf8')).toBe(COMMIT)
    expect(readFileSync(join(dir, 'model.safetensors')).equals(large)).toBe(true)
    expect(lstatSync(join(dir, 'model.safetensors')).isSymbolicLink()).toBe(true)
    expect(readdirSync(join(root, 'blobs')).sort()).toEqual(
      [gitSha1(FILES['config.json']!), gitSha1(FILES['tokenizer.json']!), sha256(large)].sort()
    )
  })

  it('downloads nothing twice, and reports progress up to the whole', async () => {
    const seen: number[] = []
    await fetchModel({ onProgress: ({ bytes, total }: { bytes: number; total: number }) => seen.push(bytes / total) })
    expect(seen.at(-1)).toBe(1)
    expect([...seen].sort((a, b) => a - b)).toEqual(seen)
    requests = []
    await fetchModel()
    expect(requests.filter((r) => r.path.includes('/resolve/'))).toEqual([])
  })

  it('pins a revision by tag or commit', async () => {
    await fetchModel({ revision: 'v1' })
    expect(new CachedRepository(MODEL).commitOf('v1')).toBe(COMMIT)
    expect(new CachedRepository(MODEL).commitOf('main')).toBeUndefined()
    const { dir } = await fetchModel({ revision: COMMIT, offline: true })
    expect(existsSync(join(dir, 'config.json'))).toBe(true)
  })

  it('works offline from the cache, and says so when it cannot', async () => {
    expect(await complaint(fetchModel({ offline: true }))).toMatch(/org\/tiny: revision 'main' is not in the cache/)
    await fetchModel()
    requests = []
    await fetchModel({ offline: true })
    expect(requests).toEqual([])
  })

  it('takes all files of a dataset', async () => {
    const { files, dir } = await fetchRepository({ type: 'dataset', name: 'org/tiny' }, { revision: 'main', patience })
    expect(files).toEqual(Object.keys(FILES))
    expect(dir).toContain(join('datasets--org--tiny', 'snapshots'))
    expect(requests.some((r) => r.path.startsWith('/datasets/org/tiny/resolve/'))).toBe(true)
  })
})

describe('when the network fails', () => {
  it('goes on where a cut connection stopped', async () => {
    faults = [cuts(100_000, 2)]
    const { dir } = await fetchModel()
    expect(readFileSync(join(dir, 'model.safetensors')).equals(large)).toBe(true)
    const starts = requests.filter((r) => r.path.endsWith('model.safetensors')).map((r) => r.range)
    expect(starts).toHaveLength(3)
    expect(starts[0]).toBeUndefined()
    for (const range of starts.slice(1)) expect(range).toMatch(/^bytes=\d+-$/)
  })

  it('keeps what arrived for the next time when it is cut again and again', async () => {
    faults = [cuts(50_000, 4)]
    expect(await complaint(fetchModel())).toMatch(/model\.safetensors was cut off: [\s\S]*goes on where it stopped/)
    const partial = join(home, 'hub', 'models--org--tiny', 'blobs', `${sha256(large)}.incomplete`)
    const kept = readFileSync(partial).length
    expect(kept).toBeGreaterThan(0)
    requests = []
    await fetchModel()
    expect(requests.find((r) => r.path.endsWith('model.safetensors'))!.range).toBe(`bytes=${kept}-`)
  })

  it('starts anew once when the partial file is damaged', async () => {
    const blobs = join(home, 'hub', 'models--org--tiny', 'blobs')
    mkdirSync(blobs, { recursive: true })
    writeFileSync(join(blobs, `${sha256(large)}.incomplete`), Buffer.alloc(1000, 9))
    const { dir } = await fetchModel()
    expect(readFileSync(join(dir, 'model.safetensors')).equals(large)).toBe(true)
  })

  it('takes the whole file from a server that ignores ranges', async () => {
    const whole: Fault = (request, response) => {
      if (!/model\.safetensors$/.test(request.url ?? '') || request.headers.range === undefined) return false
      response.writeHead(200).end(large)
      return true
    }
    faults = [cuts(100_000, 1), whole]
    const { dir } = await fetchModel()
    expect(readFileSync(join(dir, 'model.safetensors')).equals(large)).toBe(true)
  })

  it('keeps nothing of a file with the wrong checksum', async () => {
    const wrong: Fault = (request, response) => {
      if (!/model\.safetensors$/.test(request.url ?? '')) return false
      response.writeHead(200).end(Buffer.alloc(large.length))
      return true
    }
    faults = [wrong]
    expect(await complaint(fetchModel())).toMatch(
      /does not have the checksum the repository gives[\s\S]*nothing of it was kept/
    )
    const blobs = readdirSync(join(home, 'hub', 'models--org--tiny', 'blobs'))
    expect(blobs.filter((b) => b.startsWith(sha256(large)))).toEqual([])
    expect(new CachedRepository(MODEL).commitOf('main')).toBeUndefined()
  })

  it('waits and tries again when it is asked to', async () => {
    const reasons: string[] = []
    faults = [answers(/tree/, 429, 2, { 'retry-after': '0' }), answers(/resolve/, 503, 1)]
    await fetchModel({ onRetry: (reason: string) => reasons.push(reason) })
    expect(reasons).toEqual(['the server answered 429', 'the server answered 429', 'the server answered 503'])
  })

  test.each([
    [401, /wants to know who asks, and no token is set[\s\S]*HF_TOKEN/],
    [403, /access is restricted[\s\S]*ask for access at http:\/\/127/],
    [404, /no such model, or no revision 'main' of it/],
    [429, /wants fewer requests/],
    [500, /answered with status 500/]
  ])('status %i ends in one message', async (status, message) => {
    faults = [answers(/./, status, 99)]
    expect(await complaint(fetchModel())).toMatch(message)
  })

  it('says that nobody answers', async () => {
    process.env.HF_ENDPOINT = 'http://127.0.0.1:59999'
    expect(await complaint(fetchModel())).toMatch(
      /the hub at http:\/\/127\.0\.0\.1:59999 cannot be reached[\s\S]*HF_ENDPOINT/
    )
  })
})

describe('the token', () => {
  it('is sent, and shown in no message', async () => {
    process.env.HF_TOKEN = 'hf_secret'
    faults = [answers(/resolve/, 403, 99)]
    const text = await complaint(fetchModel())
    expect(requests.every((r) => r.authorization === 'Bearer hf_secret')).toBe(true)
    expect(text).not.toContain('hf_secret')
    expect(text).toContain('the token that is set does not allow it')
  })

  it('comes from the file of huggingface-cli when HF_TOKEN is not set', async () => {
    writeFileSync(join(home, 'token'), 'hf_file\n')
    await fetchModel()
    expect(requests.every((r) => r.authorization === 'Bearer hf_file')).toBe(true)
  })
})

test('of a model in shards all shards and their index are wanted, nothing else', () => {
  const names = ['model.safetensors.index.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
  const others = ['pytorch_model.bin', 'tf_model.h5', 'model.onnx', 'original/model.safetensors', 'config.json']
  const chosen = modelFiles([...names, ...others].map((path) => ({ path, bytes: 1, etag: 'x' })))
  expect(chosen.map((f) => f.path)).toEqual(['config.json', ...names])
})

test.each([
  ['gpt2', undefined],
  ['EleutherAI/gpt-j-6b', { repository: { type: 'model', name: 'EleutherAI/gpt-j-6b' } }],
  ['org/name@v1.0', { repository: { type: 'model', name: 'org/name' }, revision: 'v1.0' }],
  ['datasets/org/name', { repository: { type: 'dataset', name: 'org/name' } }],
  ['../up', undefined],
  ['a/b/c', undefined]
])('%s names %j', (text, wanted) => expect(parseRepository(text)).toEqual(wanted))

describe('a hostile hub', () => {
  const listing =
    (entries: unknown, headers = {}): Fault =>
    ({ url = '' }, response) => {
      if (!url.includes('/tree/')) return false
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(entries))
      return true
    }
  const entry = (fields: object) => ({
    type: 'file',
    path: 'config.json',
    size: 21,
    oid: gitSha1(FILES['config.json']!),
    ...fields
  })
  /** Everything below the cache's parent that is no part of the repository's own folder. */
  const elsewhere = () =>
    readdirSync(home, { recursive: true })
      .map(String)
      .filter((f) => !/^hub(\/models--org--tiny(\/.*)?)?$/.test(f))

  test.each(['../../../evil', '/evil', 'a/../../../../evil', 'a\\..\\evil', '.', '', 'a//b'])(
    'cannot name the file %j',
    (path) => {
      expect(() => new CachedRepository(MODEL).link(COMMIT, path, sha256(large))).toThrow('a file outside of itself')
    }
  )

  test.each([
    { oid: '../../../../evil' },
    { oid: 'abc' },
    { oid: 7 },
    { oid: null },
    { lfs: { oid: '../evil', size: 21 } },
    { size: -1 },
    { size: 'x' },
    { size: 1e300 },
    { path: 7 }
  ])('cannot list a file with %j', async (fields) => {
    faults = [listing([entry(fields)])]
    expect(await complaint(fetchModel())).toMatch(/without a valid size and checksum/)
    expect(elsewhere()).toEqual([])
  })

  it('sends no more than it lists', async () => {
    const endless: Fault = ({ url = '' }, response) => {
      if (!url.endsWith('/config.json')) return false
      response.writeHead(200)
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65536), () => setImmediate(more))
      }
      more()
      return true
    }
    faults = [endless]
    expect(await complaint(fetchModel())).toMatch(/sends more of config\.json than the 21 bytes/)
    expect(readdirSync(join(home, 'hub', 'models--org--tiny', 'blobs'))).toEqual([])
    expect(requests.filter((r) => r.path.endsWith('/config.json'))).toHaveLength(1)
  })

  it('gets the token no further than to itself', async () => {
    process.env.HF_TOKEN = 'hf_secret'
    const heard: (string | undefined)[] = []
    const other = createServer((request, response) => {
      heard.push(request.headers.authorization)
      response.writeHead(200, { 'content-type': 'application/json' }).end('[]')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const port = (other.address() as AddressInfo).port
    faults = [listing([entry({})], { link: `<http://127.0.0.1:${port}/next>; rel="next"` })]
    await fetchModel()
    other.close()
    expect(heard).toEqual([undefined])
  })

  it('ends its list', async () => {
    let page = 0
    const endless: Fault = (request, response) =>
      listing([], { link: `<${process.env.HF_ENDPOINT}/api/x/tree/${++page}>; rel="next"` })(request, response)
    faults = [endless]
    expect(await complaint(fetchModel())).toMatch(/the list of files does not end/)
    expect(page).toBeLessThanOrEqual(1000)
    faults = [listing([], { link: `<${process.env.HF_ENDPOINT}/api/x/tree/1>; rel="next"` })]
    requests = []
    expect(await complaint(fetchModel())).toMatch(/the list of files does not end/)
    expect(requests.length).toBeLessThan(5)
  })

  it('cannot fill the memory with one page', async () => {
    const endless: Fault = ({ url = '' }, response) => {
      if (!url.includes('/tree/')) return false
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        if (!response.destroyed) response.write(' '.repeat(1 << 20), () => setImmediate(more))
      }
      more()
      return true
    }
    faults = [endless]
    expect(await complaint(fetchModel())).toMatch(/the hub answered with more than 33554432 bytes/)
  })

  it('is asked as often as patience says, not its square', async () => {
    faults = [answers(/resolve/, 503, 99)]
    expect(await complaint(fetchModel())).toMatch(/answered with status 503/)
    expect(requests.filter((r) => r.path.includes('/resolve/'))).toHaveLength(patience.attempts)
  })

  it('is told of a disk that is too small before the first byte', async () => {
    faults = [listing([entry({ size: 2 ** 52 })])]
    expect(await complaint(fetchModel())).toMatch(/are to be downloaded, and .* are free[\s\S]*HF_HOME/)
    expect(requests.filter((r) => r.path.includes('/resolve/'))).toEqual([])
  })
})

describe('what the user gives', () => {
  test.each(['..', '../x', 'a/../../b', '/etc', 'a//b', '-x/..', 'a b', 'x'.repeat(300), '.git', 'a\\b', ''])(
    'revision %j is refused, offline too',
    async (revision) => {
      for (const offline of [true, false])
        expect(await complaint(fetchModel({ revision, offline }))).toMatch(/is no revision/)
      expect(requests).toEqual([])
    }
  )

  it('a branch of a pull request is a revision', async () => {
    expect(await complaint(fetchModel({ revision: 'refs/pr/1' }))).toMatch(/no revision 'refs\/pr\/1' of it/)
  })

  it('a token with a line break is refused and not shown', async () => {
    process.env.HF_TOKEN = 'hf_sec\nret'
    const text = await complaint(fetchModel())
    expect(text).toMatch(/HF_TOKEN: the token holds a line break/)
    expect(text).not.toMatch(/hf_sec|ret\b/)
  })

  test.each([
    ['http://user:hunter2@127.0.0.1:1', /user name or a password/],
    ['not an address hunter2', /not the address of a hub/],
    ['file:///hunter2', /not the address of a hub/],
    ['http://127.0.0.1:1/?key=hunter2', /not the address of a hub/]
  ])('HF_ENDPOINT=%s is refused and not shown', async (endpoint, message) => {
    process.env.HF_ENDPOINT = endpoint
    const text = await complaint(fetchModel())
    expect(text).toMatch(message)
    expect(text).not.toContain('hunter2')
  })

  it('a damaged reference in the cache stands for nothing', () => {
    const cached = new CachedRepository(MODEL)
    mkdirSync(join(cached.dir, 'refs', 'v2'), { recursive: true })
    writeFileSync(cached.refFile('main'), '../../../elsewhere')
    expect(cached.commitOf('main')).toBeUndefined()
    expect(cached.commitOf('v2')).toBeUndefined()
  })
})
