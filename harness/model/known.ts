/** A published checkpoint that people edit. */
export interface KnownModel {
  readonly id: string
  /** A family of architectures/. */
  readonly architecture: string
  readonly parameters: string
  readonly downloadGb: number
}

/** Published checkpoints of the supported architectures, for `bench list models` and for telling what is missing. */
export const KNOWN_MODELS: readonly KnownModel[] = [
  { id: 'openai-community/gpt2', architecture: 'gpt2', parameters: '124 M parameters', downloadGb: 0.5 },
  { id: 'openai-community/gpt2-medium', architecture: 'gpt2', parameters: '355 M parameters', downloadGb: 1.5 },
  { id: 'openai-community/gpt2-large', architecture: 'gpt2', parameters: '774 M parameters', downloadGb: 3.2 },
  { id: 'openai-community/gpt2-xl', architecture: 'gpt2', parameters: '1.5 B parameters', downloadGb: 6.4 },
  { id: 'EleutherAI/gpt-j-6b', architecture: 'gptj', parameters: '6 B parameters', downloadGb: 24 },
  { id: 'EleutherAI/gpt-neox-20b', architecture: 'gpt-neox', parameters: '20 B parameters', downloadGb: 41 },
  { id: 'EleutherAI/pythia-1.4b', architecture: 'gpt-neox', parameters: '1.4 B parameters', downloadGb: 2.9 },
  { id: 'facebook/opt-1.3b', architecture: 'opt', parameters: '1.3 B parameters', downloadGb: 2.6 },
  { id: 'meta-llama/Llama-2-7b-hf', architecture: 'llama', parameters: '6.7 B parameters', downloadGb: 13.5 },
  { id: 'meta-llama/Llama-2-7b-chat-hf', architecture: 'llama', parameters: '6.7 B parameters', downloadGb: 13.5 },
  { id: 'meta-llama/Llama-3.1-8B', architecture: 'llama', parameters: '8 B parameters', downloadGb: 16.1 },
  { id: 'mistralai/Mistral-7B-v0.1', architecture: 'mistral', parameters: '7.2 B parameters', downloadGb: 14.5 },
  { id: 'Qwen/Qwen2.5-7B', architecture: 'qwen2', parameters: '7.6 B parameters', downloadGb: 15.2 },
  { id: 'Qwen/Qwen3-8B', architecture: 'qwen3', parameters: '8.2 B parameters', downloadGb: 16.4 },
  { id: 'google/gemma-2-2b', architecture: 'gemma2', parameters: '2.6 B parameters', downloadGb: 5.2 },
  { id: 'google/gemma-3-1b-pt', architecture: 'gemma3', parameters: '1 B parameters', downloadGb: 2 }
]
