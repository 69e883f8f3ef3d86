import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { changesNothing } from '../probes'
import { Unusable } from '../records'

const text = z.string().trim().min(1)

/** A question about an image, with another wording and another image of the same, and what must stay, in words and about an image. */
const record = z.object({
  src: text,
  pred: text,
  alt: text,
  rephrase: text,
  image: text,
  image_rephrase: text,
  loc: text,
  loc_ans: text,
  m_loc: text,
  m_loc_q: text,
  m_loc_a: text
})

/** How EasyEdit puts a question (easyeditor/dataset/vqa.py). */
const put = (question: string): string => `Question: ${question} Short answer:`

export const mmedit = datasetOfFiles(
  {
    name: 'mmedit',
    title: 'MMEdit',
    source: 'Cheng et al. 2023, arXiv 2310.08475',
    license: 'MIT; images under the terms of COCO and VQAv2',
    seesImages: true
  },
  'github.com/zjunlp/EasyEdit, examples/MMEdit.md',
  [
    fileLayout({
      name: "MMEdit's records",
      keys: ['src', 'alt', 'rephrase', 'image', 'image_rephrase', 'm_loc'],
      schema: record,
      toCase(r, index) {
        if (changesNothing(r.alt, r.pred)) return new Unusable('no edit', `the new answer '${r.alt}' is the old one`)
        const prompt = put(r.src)
        return {
          id: `mmedit-${index}`,
          requests: [
            {
              prompt,
              subject: r.src,
              subjectAt: prompt.indexOf(r.src),
              target: r.alt,
              previousTarget: r.pred,
              image: r.image
            }
          ],
          probes: [
            { property: 'accuracy', kind: 'rewrite', prompt, expected: [r.alt], image: r.image },
            {
              property: 'generality',
              kind: 'paraphrase',
              prompt: put(r.rephrase),
              expected: [r.alt],
              image: r.image
            },
            { property: 'generality', kind: 'other-image', prompt, expected: [r.alt], image: r.image_rephrase },
            { property: 'locality', kind: 'unrelated', prompt: r.loc, expected: 'same-as-before', gold: r.loc_ans },
            {
              property: 'locality',
              kind: 'unrelated-image',
              prompt: put(r.m_loc_q),
              expected: 'same-as-before',
              gold: r.m_loc_a,
              image: r.m_loc
            }
          ]
        }
      }
    })
  ]
)
