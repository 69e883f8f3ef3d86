import type { History } from '../harness/compare/history'
import { stepsOf, stepText, worsens } from '../harness/compare/history-text'
import { groupBy } from '../harness/group-by'
import { sha256 } from '../harness/sha256'
import { loadTemplates, replaceFile } from './render'

/** Where things lie beside the feed; what is missing is not linked. */
export interface FeedLinks {
  /** The page of a run. */
  readonly hrefOf?: (runId: string) => string
  /** The feed itself, and its page. */
  readonly self?: string
  readonly page?: string
}

/** Writes an Atom feed (RFC 4287) with an entry for every run at which something steps or whose gate failed, the newest first. */
export function writeFeed(file: string, histories: readonly History[], links: FeedLinks = {}): void {
  const entries = histories.flatMap((h) => entriesOf(h, links)).sort((a, b) => (a.updated < b.updated ? 1 : -1))
  const names = histories.map((h) => h.name).join(', ')
  const started = histories.flatMap((h) => h.runs.map((run) => run.startedAt)).sort()
  const { feed } = loadTemplates()
  replaceFile(
    file,
    feed({
      id: urn(`feed ${names}`),
      title: `bench history: ${names}`,
      updated: started.at(-1) ?? new Date(0).toISOString(),
      ...{ self: links.self ?? null, page: links.page ?? null },
      entries
    })
  )
}

function entriesOf(history: History, { hrefOf }: FeedLinks) {
  const steps = groupBy(stepsOf(history), ({ run }) => run.id)
  return history.runs.flatMap(({ id, startedAt, passed }) => {
    const own = steps.get(id) ?? []
    if (own.length === 0 && passed !== false) return []
    const worse = own.filter(({ series, step }) => worsens(series, step)).length
    const parts = [
      ...(passed === false ? ['gate failed'] : []),
      ...(worse > 0 ? [`${worse} worse`] : []),
      ...(own.length > worse ? [`${own.length - worse} better`] : [])
    ]
    return [
      {
        id: urn(`run ${id} ${startedAt}`),
        title: `${history.name} ${startedAt.slice(0, 10)}: ${parts.join(', ')}`,
        updated: startedAt,
        href: hrefOf?.(id) ?? null,
        content: own.length === 0 ? `The gate of ${id} failed.` : own.map((s) => stepText(s.series, s.step)).join('\n')
      }
    ]
  })
}

/** An id that stays the same whenever and wherever the feed is written. */
function urn(of: string): string {
  const hex = sha256(of).slice(0, 32)
  // Version 8 of RFC 9562: a hash of one's own.
  const uuid = `${hex.slice(0, 12)}8${hex.slice(13, 16)}8${hex.slice(17)}`
  return `urn:uuid:${uuid.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`
}
