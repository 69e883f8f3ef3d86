import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '../../json-file'
import { applyChatTemplate } from './chat'

/** Computed by transformers: golden/chat.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'chat.json'), 'utf8')) as {
  config: JsonObject
  messages: { role: 'system' | 'user'; content: string }[]
  made: { template: string; text: string }[]
}

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-chat-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it.each(golden.made.map((m, i) => [i, m] as const))(
  'puts a chat as transformers does: template %i',
  (_, { template, text }) => {
    expect(applyChatTemplate(dir, { ...golden.config, chat_template: template }, golden.messages)).toBe(text)
  }
)

it('takes the template that lies beside, or the default of several', () => {
  const named = [
    { name: 'tool_use', template: 'no' },
    { name: 'default', template: 'yes {{ bos_token }}' }
  ]
  const config = { bos_token: { content: '<s>' }, chat_template: named }
  expect(applyChatTemplate(dir, config, [])).toBe('yes <s>')
  writeFileSync(join(dir, 'chat_template.jinja'), 'beside')
  expect(applyChatTemplate(dir, config, [])).toBe('beside')
})

it('says that there is none, what is wrong with one, and when one takes for ever', () => {
  expect(() => applyChatTemplate(dir, {}, [])).toThrow('the model has no chat template')
  expect(() => applyChatTemplate(dir, { chat_template: '{% for %}' }, [])).toThrow(
    /the chat template cannot be applied: /
  )
  const endless = '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'
  expect(() => applyChatTemplate(dir, { chat_template: endless }, [])).toThrow(/cannot be applied/)
})
