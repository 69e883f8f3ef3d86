import { z } from 'zod'
import { UserError } from '../../errors'
import { withinTime } from '../../time-limit'
import type { PartKind } from './kind'

/**
 * A rule on texts: where its pattern matches a prompt, `answer` rules give a fixed answer instead of asking the model, and `input` rules put
 * something else in its place. Patterns are ECMAScript's with the flag u; prompts and patterns are compared in Unicode's composed form (NFC).
 */
export interface TextRule {
  readonly pattern: string
  readonly ignoreCase: boolean
  readonly scope: 'answer' | 'input'
  /** The answer as it is; or the replacement, in which $1 and $<name> stand for groups. */
  readonly text: string
}

/** Rules in their order: the first `answer` rule that matches wins; every `input` rule is applied once, on what those before have left. */
export interface RulesPart {
  readonly kind: 'rules'
  readonly site?: undefined
  readonly rules: readonly TextRule[]
}

const MOST_RULES = 10_000
/** A pattern that takes longer on one prompt backtracks without end. */
const MOST_MS = 100

const header = z.object({
  rules: z
    .array(
      z.strictObject({
        pattern: z.string().max(10_000),
        ignoreCase: z.boolean(),
        scope: z.enum(['answer', 'input']),
        text: z.string()
      })
    )
    .max(MOST_RULES)
})

const expressionOf = ({ pattern, ignoreCase }: TextRule): RegExp =>
  new RegExp(pattern.normalize('NFC'), ignoreCase ? 'giu' : 'gu')

/** Runs a rule. @throws UserError when it does not end */
function within<T>({ pattern }: TextRule, run: () => T): T {
  try {
    return withinTime(MOST_MS, 'a text', run)
  } catch (error) {
    throw new UserError(`the rule /${pattern}/ cannot be applied: ${(error as Error).message}`)
  }
}

export const rules: PartKind<RulesPart> = {
  kind: 'rules',
  header,
  headerOf: (part) => ({ rules: part.rules }),
  arrays: () => ({}),
  revive: (stored) => ({ kind: 'rules', ...header.parse(stored) }),
  textBytes: (part) => Buffer.byteLength(JSON.stringify(part.rules)),
  check(part) {
    for (const rule of part.rules) {
      const bad = (message: string) => new UserError(`the rule /${rule.pattern}/ ${message}`)
      let expression: RegExp
      try {
        expression = expressionOf(rule)
      } catch (error) {
        throw bad(`is no regular expression: ${(error as Error).message}`)
      }
      if (within(rule, () => expression.test(''))) throw bad('matches the empty text, and with it every prompt')
    }
  },
  answer(part, prompt) {
    const text = prompt.normalize('NFC')
    return part.rules.find((rule) => rule.scope === 'answer' && within(rule, () => expressionOf(rule).test(text)))?.text
  },
  // What was written last is asked first.
  merge: (parts) => ({ kind: 'rules', rules: [...parts].reverse().flatMap((p) => p.rules) }),
  rewrite(part, prompt) {
    const input = part.rules.filter((rule) => rule.scope === 'input')
    if (input.length === 0) return prompt
    return input.reduce(
      (text, rule) => within(rule, () => text.replace(expressionOf(rule), rule.text)),
      prompt.normalize('NFC')
    )
  }
}

/** A text as a pattern that matches just it. */
export const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
