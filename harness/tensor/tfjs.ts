import { existsSync } from 'node:fs'
import { join } from 'node:path'
import '@tensorflow/tfjs-backend-cpu'
// Types of the methods that tensors get: x.add(y).
import type {} from '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops'
import { packageRoot } from '../package-root'

/*
 * TensorFlow.js in parts: its core and its plain JavaScript kernels. Its gradients, and the methods of tensors, lie in files that Node.js cannot load
 * as they are (ES modules under .js); `npm run build` puts them into one that it can. The package with everything in it brings 220 MB of layers,
 * converters and WebGL besides.
 */
const file = join(packageRoot(), 'dist', 'tfjs-gradients.js')
if (!existsSync(file)) throw new Error(`${file} is missing: run \`npm run build\` first, as \`npm test\` does`)
require(file)
