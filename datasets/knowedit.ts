import { z } from 'zod'
import { changesNothing, present, sameText } from './probes'
import { type PlacelessCase, placeSubject, Unusable } from './records'
import type { Probe } from './types'

/*
 * KnowEdit's records (Zhang et al. 2024, arXiv 2401.01286): one layout for its ZsRE, WikiData_recent and WikiData_counterfact, with questions by
 * category.
 */

const text = z.string().trim().min(1)

/**
 * A right answer as it is written: a string, a list of names of which any will do, or a list of such lists, all of which must be said (in a category of
 * yes and no, any).
 */
const truth = z.union([z.string(), z.array(z.union([z.string(), z.array(z.string())]))])
const questions = z
  .record(z.string(), z.array(z.object({ prompt: z.string(), ground_truth: truth })).nullable())
  .nullish()

export const knoweditRecord = z.object({
  subject: text,
  prompt: text,
  target_new: text,
  ground_truth: z.union([z.string(), z.array(z.string())]).nullish(),
  rephrase_prompt: z.string().nullish(),
  portability: questions,
  locality: questions
})
type KnowEdit = z.output<typeof knoweditRecord>

/** Names of one answer. Where several must be said together, the first group stands for them, as EasyEdit's run script takes it. */
function namesOf(value: z.output<typeof truth>, anyGroup: boolean): string[] {
  const list = typeof value === 'string' ? [value] : value
  const groups = list.every((g) => typeof g === 'string')
    ? [list as string[]]
    : list.map((g) => (typeof g === 'string' ? [g] : g))
  const chosen = anyGroup ? groups.flat() : (groups.find((g) => present(g).length > 0) ?? [])
  return [...new Set(present(chosen).map((a) => a.trim()))]
}

/** `Logical_Generalization` → `logical-generalization`. */
const kindOf = (category: string): string => category.toLowerCase().replaceAll(/[_\s]+/g, '-')

/** @param strict drops portability questions whose answer is the edit's own target (the book's 5.3) */
export function knoweditCase(r: KnowEdit, id: string, strict: boolean): PlacelessCase | Unusable {
  const subjectAt = placeSubject(r.prompt, r.subject)
  if (subjectAt instanceof Unusable) return subjectAt
  const [previous] = present(typeof r.ground_truth === 'string' ? [r.ground_truth] : (r.ground_truth ?? []))
  if (previous !== undefined && changesNothing(r.target_new, previous))
    return new Unusable('no edit', `the new answer '${r.target_new}' is the old one`)
  const asked = (of: KnowEdit['portability']) =>
    Object.entries(of ?? {}).flatMap(([category, list]) =>
      (list ?? []).flatMap(({ prompt, ground_truth }) => {
        const names = namesOf(ground_truth, category === 'Logical_Generalization')
        return prompt.trim() === '' || names.length === 0
          ? []
          : [{ kind: kindOf(category), prompt: prompt.trimEnd(), names }]
      })
    )
  return {
    id,
    requests: [
      {
        prompt: r.prompt,
        subject: r.subject,
        subjectAt,
        target: r.target_new,
        ...(previous === undefined ? {} : { previousTarget: previous.trim() })
      }
    ],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt: r.prompt, expected: [r.target_new] },
      ...present([r.rephrase_prompt]).map(
        (prompt): Probe => ({ property: 'generality', kind: 'paraphrase', prompt, expected: [r.target_new] })
      ),
      ...asked(r.portability)
        .filter(({ names }) => !strict || !names.some((n) => sameText(n, r.target_new)))
        .map(({ kind, prompt, names }): Probe => ({ property: 'portability', kind, prompt, expected: names })),
      ...asked(r.locality).map(
        ({ kind, prompt, names }): Probe => ({
          property: 'locality',
          kind,
          prompt,
          expected: 'same-as-before',
          gold: names[0]!,
          truth: names
        })
      )
    ]
  }
}
