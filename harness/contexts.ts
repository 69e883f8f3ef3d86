/** What stands around a question that is answered freely: nothing, an instruction, or the model's chat template. */
export const CONTEXTS = ['question', 'qa', 'chat'] as const
export type AnswerContext = (typeof CONTEXTS)[number]
