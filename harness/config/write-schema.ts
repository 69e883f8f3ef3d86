import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package-root'
import { configJsonSchema } from './json-schema'

/** `npm run schema`: writes configs/schema.json, by which editors complete configs. */
writeFileSync(join(packageRoot(), 'configs', 'schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
