import { subjectEnd } from '../../harness/edit/subject'
import type { EditRequest } from '../../harness/edit/types'
import { encodePrompt, encodeTarget, lastTokenOf, type Tokenizer } from '../../harness/model'

/** One text of a fact's optimisation. */
export interface Row {
  /** Index of its fact. */
  readonly fact: number
  readonly ids: readonly number[]
  /** Position of the subject's last token. */
  readonly subject: number
  /** The ids that the last positions should predict; empty in the row that measures the drift (KL). */
  readonly labels: readonly number[]
}

/**
 * A row for every context template, then the one that measures how far the subject drifts. All but the last target token are
 * given, by their own ids: decoding and encoding them again could change them.
 */
export function rowsOf(tokenizer: Tokenizer, templates: readonly string[], request: EditRequest, fact: number): Row[] {
  const target = encodeTarget(tokenizer, request.target)
  const place = (text: string, end: number) => tokenizer.prefix.length + lastTokenOf(tokenizer, text, end)
  const end = subjectEnd(request)
  const rows = templates.map((template) => {
    const text = template.replace('{}', () => request.prompt)
    return {
      fact,
      ids: [...encodePrompt(tokenizer, text), ...target.slice(0, -1)],
      subject: place(text, template.indexOf('{}') + end),
      labels: target
    }
  })
  // What follows the subject has no say in what is read at its last token.
  const essence = `${request.subject} is a`
  const subject = place(essence, request.subject.length)
  return [...rows, { fact, ids: encodePrompt(tokenizer, essence).slice(0, subject + 1), subject, labels: [] }]
}
