import { fill, openQuestion } from './corpus'
import {
  counterfactuals,
  type PortabilityQuestion,
  type Split,
  samePartPrompts,
  splitOf,
  trained,
  withheld
} from './records'
import type { World } from './world'

/** A record in the MEND-flattened layout of zsRE, with the additions of Yao et al. (2023). */
export interface ZsreRecord {
  readonly subject: string
  readonly src: string
  readonly pred: string
  readonly rephrase: string
  readonly alt: string
  readonly answers: readonly string[]
  readonly loc: string
  readonly loc_ans: string
  readonly cond: string
  readonly portability?: PortabilityQuestion
  readonly 'inverse question'?: string
  readonly alternative_subject?: string
  readonly alter_subject_question?: string
  readonly same_first_part_prompts?: readonly string[]
  readonly same_last_part_prompts?: readonly string[]
}

/** zsRE of the world: every fact as a question, its rephrasing one the corpus never asks about that fact. */
export function worldZsre(world: World, split: Split): ZsreRecord[] {
  const unrelated = world.facts.filter((f) => f.subject.kind !== 'class' && splitOf(world, f.subject) === split)
  return counterfactuals(world, split, 'zsre', () => true).map(({ fact, target, random, portability }) => {
    const { relation, subject, object } = fact
    const question = random.pick(trained(relation.questions, fact.heldOutQuestions))
    const other = random.pick(
      unrelated.filter((f) => f.subject !== subject && f.relation !== relation && f.object !== target)
    )
    const src = fill(question, subject.name)
    return {
      subject: subject.name,
      src,
      pred: object.name,
      rephrase: fill(withheld(relation.questions, fact.heldOutQuestions)[0]!, subject.name),
      alt: target.name,
      answers: [object.name],
      loc: openQuestion(fill(other.relation.questions[0]!, other.subject.name)),
      loc_ans: other.object.name,
      cond: `${object.name} >> ${target.name} || ${src}`,
      ...(portability === undefined ? {} : { portability }),
      ...(relation.inverse === undefined
        ? {}
        : { 'inverse question': relation.inverse[0]!.replace('[o]', target.name) }),
      ...(subject.alias === undefined
        ? {}
        : { alternative_subject: subject.alias, alter_subject_question: fill(question, subject.alias) }),
      ...samePartPrompts(world, fact, question, random)
    }
  })
}
