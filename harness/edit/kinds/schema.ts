import { z } from 'zod'

/** A dimension of a stored array. */
export const count = z
  .int()
  .min(1)
  .max(2 ** 27)
