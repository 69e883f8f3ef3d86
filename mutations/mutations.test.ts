import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MUTATIONS } from './list'

const read = (file: string) => readFileSync(join(__dirname, '..', file), 'utf8')

it('has at least forty mutations, each another one', () => {
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(40)
  expect(new Set(MUTATIONS.map((m) => `${m.file} ${m.find} ${m.replace}`)).size).toBe(MUTATIONS.length)
})

// Whether the tests notice takes minutes: `npm run mutate`.
it.each(MUTATIONS.map((m) => [m.wrong, m] as const))(
  'changes one place that is there: %s',
  (_, { file, find, test }) => {
    expect(read(file).split(find)).toHaveLength(2)
    expect(existsSync(join(__dirname, '..', test))).toBe(true)
  }
)
