import { relative } from 'node:path'
import { printNote } from '../terminal'
import { progressView } from './progress'
import type { Reporter, ReporterOptions } from './reporter'
import { skippedLines, summaryTable } from './summary'

/** For people: how far a run is, on stderr; what it came to, on stdout unless a program reads that. */
export function terminalReporter({ say }: ReporterOptions): Reporter {
  const view = progressView(process.stderr.isTTY === true)
  return {
    onEvent(event) {
      if (event.type === 'progress') view.update(event.done, event.total)
      else if (event.type === 'training') view.training(event)
      else if (event.type === 'note') printNote(event.message)
    },
    async onComplete({ dir, summary, manifest, edits, failed }) {
      view.stop()
      say(summaryTable(summary))
      for (const line of skippedLines(manifest.skipped)) say(line)
      if (failed > 0) say(`${failed} of ${edits} edits failed; the run page names them`)
      say(`\nanswers: ${relative(process.cwd(), dir)}`)
    },
    close: () => view.stop()
  }
}
