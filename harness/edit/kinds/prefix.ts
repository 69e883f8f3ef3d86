import { z } from 'zod'
import type { PartKind } from './kind'

/** A text that is put before every prompt: demonstrations, instructions, retrieved facts. */
export interface PrefixPart {
  readonly kind: 'prefix'
  readonly site?: undefined
  readonly text: string
}

const header = z.object({ text: z.string() })

export const prefix: PartKind<PrefixPart> = {
  kind: 'prefix',
  header,
  headerOf: ({ text }) => ({ text }),
  arrays: () => ({}),
  revive: (stored) => ({ kind: 'prefix', ...header.parse(stored) }),
  textBytes: ({ text }) => Buffer.byteLength(text),
  check: () => {},
  rewrite: ({ text }, prompt) => text + prompt
}
