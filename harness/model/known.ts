/** A published checkpoint that people edit. */
export interface KnownModel {
  readonly id: string
  readonly architecture: 'gpt2' | 'gptj' | 'llama'
  readonly parameters: string
  readonly downloadGb: number
  /** Its repository has no safetensors file. */
  readonly onlyPickle?: boolean
}

/** Published checkpoints of the supported architectures, for `bench list models` and for telling what is missing. */
export const KNOWN_MODELS: readonly KnownModel[] = [
  { id: 'openai-community/gpt2', architecture: 'gpt2', parameters: '124 M parameters', downloadGb: 0.5 },
  { id: 'openai-community/gpt2-medium', architecture: 'gpt2', parameters: '355 M parameters', downloadGb: 1.5 },
  { id: 'openai-community/gpt2-large', architecture: 'gpt2', parameters: '774 M parameters', downloadGb: 3.2 },
  { id: 'openai-community/gpt2-xl', architecture: 'gpt2', parameters: '1.5 B parameters', downloadGb: 6.4 },
  { id: 'EleutherAI/gpt-j-6b', architecture: 'gptj', parameters: '6 B parameters', downloadGb: 24, onlyPickle: true },
  { id: 'meta-llama/Llama-2-7b-hf', architecture: 'llama', parameters: '6.7 B parameters', downloadGb: 13.5 },
  { id: 'meta-llama/Llama-2-7b-chat-hf', architecture: 'llama', parameters: '6.7 B parameters', downloadGb: 13.5 }
]
