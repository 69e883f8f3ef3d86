import type { Manifest } from '../results/manifest'
import type { RunEvent } from '../runner/events'
import type { RunSummary } from '../scoring/types'

/** A complete run, as reporters see it. */
export interface ReportedRun {
  readonly dir: string
  readonly resultsDir: string
  readonly manifest: Manifest
  readonly summary: RunSummary
  readonly edits: number
  readonly failed: number
}

export interface ReporterOptions {
  /** Says something to people. */
  readonly say: (text: string) => void
}

/** Tells somebody of a run: a terminal, a program, a spreadsheet, a browser. */
export interface Reporter {
  onEvent?(event: RunEvent): void
  onComplete?(run: ReportedRun): Promise<void>
  /** Whatever the end: the terminal is given back. */
  close?(): void
}
