import { buildSync } from 'esbuild'

/** Gradients and methods of tensors from @tensorflow/tfjs-core, as one file that Node.js can load (harness/tensor/tfjs.ts). */
buildSync({
  stdin: {
    contents: `
      import '@tensorflow/tfjs-core/dist/register_all_gradients'
      import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops'`,
    resolveDir: import.meta.dirname
  },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  minifySyntax: true,
  outfile: 'dist/tfjs-gradients.js'
})
