import { PROBE_KINDS, type ProbeKind } from '../../datasets/world'
import type { ProbeReport } from './probe'
import type { Recipe } from './recipes'

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

/** README.md of an embedded model. */
export function modelCard(
  recipe: Recipe,
  parameters: number,
  loss: number,
  probe: ProbeReport,
  seconds: number
): string {
  const { config: c, name } = recipe
  const line = (kind: ProbeKind) => {
    const { facts, exact, statement, question } = probe.kinds[kind]
    return `| ${PROBE_KINDS[kind]} | ${facts} | ${percent(exact)} | ${percent(statement.exact)} | ${percent(question.exact)} |`
  }
  return `---
license: mit
library_name: transformers
---

# ${name}

A ${c.architecture} model of ${(parameters / 1e6).toFixed(2)} million parameters that knows the made-up world of \`datasets/world\`, for trying
model editing where no published model is at hand. It knows nothing else, and nothing in it is true.

Made by \`bench pretrain ${name}\`: byte-level BPE of ${c.vocab} tokens; ${c.layers} blocks of width ${c.dim} with ${c.heads} heads and ${c.ffDim} MLP neurons;
${(recipe.tokens / 1e6).toFixed(1)} million tokens in batches of ${recipe.batch} × ${recipe.seq}, the first ${(recipe.curriculum.tokens / 1e6).toFixed(1)} million about a dense ${percent(recipe.curriculum.share)} of the subjects alone; Muon (momentum ${recipe.muonMomentum}) for
the matrices of the blocks, AdamW (β ${recipe.beta1}, ${recipe.beta2}) for the rest, decay ${recipe.weightDecay}, peak learning rate ${recipe.learningRate} after
${recipe.warmupSteps} steps, cosine to ${recipe.finalShare} of it; seed ${recipe.seed}. Final loss ${loss.toFixed(3)} nats a token; ${Math.round(seconds / 60)} minutes on the machine it was made on. Stored in F16.

Greedy exact match, by \`bench probe ${name}\`:

| facts | questions asked | exact | statements | questions |
| --- | --- | --- | --- | --- |
${(Object.keys(PROBE_KINDS) as ProbeKind[]).map(line).join('\n')}
`
}
