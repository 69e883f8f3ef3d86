import { closestTo } from '../harness/closest'
import { UserError } from '../harness/errors'
import { alphaedit } from './alphaedit'
import { calinet } from './calinet'
import { emmet } from './emmet'
import { ft } from './ft'
import { ftL } from './ft-l'
import { ftM } from './ft-m'
import { grace } from './grace'
import { ike } from './ike'
import { kn } from './kn'
import { locftBf } from './locft-bf'
import { memit } from './memit'
import { mend } from './mend'
import { rRome } from './r-rome'
import { regexPatch } from './regex-patch'
import { rome } from './rome'
import { tPatcher } from './t-patcher'
import type { EditingMethod } from './types'
import { ultraedit } from './ultraedit'

/** Every method; a new one is a folder and a line here. */
export const METHODS: readonly EditingMethod[] = [
  ft,
  ftL,
  ftM,
  locftBf,
  ike,
  regexPatch,
  grace,
  tPatcher,
  calinet,
  mend,
  rome,
  rRome,
  kn,
  memit,
  emmet,
  alphaedit,
  ultraedit
]

/** @throws UserError with the closest name when there is no such method */
export function findMethod(name: string, place?: string): EditingMethod {
  const found = METHODS.find((m) => m.name === name)
  if (found !== undefined) return found
  const names = METHODS.map((m) => m.name)
  throw new UserError(`unknown method '${name}'${closestTo(name, names)}`, {
    ...(place === undefined ? {} : { place }),
    hint: `methods: ${names.join(', ')}`
  })
}
