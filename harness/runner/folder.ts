import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Edit, type EditedModel, loadEdit, saveEdit } from '../edit'
import { UserError } from '../errors'
import { groupBy } from '../group-by'
import { makeFolder, replaceWhole } from '../replace'
import { type Manifest, type Setup, writeManifest } from '../results/manifest'
import type { EditRow } from '../results/rows'
import type { Rows } from '../results/runs'
import { type Seals, sealOf, sealSchema } from '../results/seal'
import { answersTable, editsTable } from '../results/tables'
import type { RunEvent } from './events'
import { RunLock } from './lock'
import type { PlannedShard } from './shards'
import type { MadeEdit, ShardResult } from './tasks'

const ANSWERS = 'answers.arrow'
const EDITS = 'edits.arrow'
const SEALS = 'seals.json'
const SO_FAR = 'edit-so-far'
const sealsSchema = z.record(z.string(), sealSchema)

/** What a shard came to: its rows as Arrow files, and of a chain the edit so far. */
export type ShardContent = Pick<ShardResult, 'answers' | 'edits' | 'soFar'>

/** Writes a shard: there with all its files and what they must be, or not at all. */
export function writeShard(dir: string, { answers, edits, soFar }: ShardContent, model: EditedModel): void {
  replaceWhole(dir, (fresh) => {
    mkdirSync(fresh)
    const seals = {
      [ANSWERS]: sealOf(answers, answersTable.decode(answers, ANSWERS).length),
      [EDITS]: sealOf(edits, editsTable.decode(edits, EDITS).length)
    }
    writeFileSync(join(fresh, ANSWERS), answers)
    writeFileSync(join(fresh, EDITS), edits)
    if (soFar !== undefined) saveEdit(join(fresh, SO_FAR), soFar, model)
    writeFileSync(join(fresh, SEALS), JSON.stringify(seals))
  })
}

/** The rows of a shard as they were written. @throws UserError when it is damaged */
function readShard(dir: string): Rows {
  let seals: Seals
  try {
    seals = sealsSchema.parse(JSON.parse(readFileSync(join(dir, SEALS), 'utf8')))
  } catch {
    throw new UserError('the checksums of the shard cannot be read', { place: join(dir, SEALS) })
  }
  return { answers: answersTable.readSealed(dir, ANSWERS, seals), edits: editsTable.readSealed(dir, EDITS, seals) }
}

/** The folder of a run, held by one process: manifest, log, shards while it runs, and in the end the merged rows. */
export class RunFolder {
  readonly dir: string
  readonly resumed: boolean
  #manifest: Manifest
  readonly #lock: RunLock

  /** Claims a new folder beside others of the same name, numbered where there are some. */
  static create(resultsDir: string, name: string, manifestOf: (id: string) => Manifest): RunFolder {
    makeFolder(resultsDir)
    for (let n = 1; ; n++) {
      const id = n === 1 ? name : `${name}-${n}`
      const dir = join(resultsDir, id)
      try {
        mkdirSync(dir)
      } catch (error) {
        // Whoever makes the folder has it.
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
        throw error
      }
      return new RunFolder(dir, manifestOf(id), false)
    }
  }

  /** Goes on with a run. @throws UserError when another process works on it */
  static resume(dir: string, manifest: Manifest): RunFolder {
    return new RunFolder(dir, manifest, true)
  }

  private constructor(dir: string, manifest: Manifest, resumed: boolean) {
    this.dir = dir
    this.resumed = resumed
    this.#manifest = manifest
    this.#lock = new RunLock(dir)
    // What a kill left unfinished.
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.new')) rmSync(join(dir, name), { recursive: true, force: true })
    makeFolder(join(dir, 'shards'))
    writeManifest(dir, manifest)
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  log(event: RunEvent): void {
    const line = JSON.stringify({ time: new Date().toISOString(), ...event })
    appendFileSync(join(this.dir, 'log.jsonl'), `${line}\n`)
  }

  setup(setting: string, setup: Setup): void {
    this.#update({ setup: { ...this.#manifest.setup, [setting]: setup } })
  }

  /** What methods found for facts so far, while the run goes on. */
  get foundDir(): string {
    return join(this.dir, 'found')
  }

  shardDir({ index }: PlannedShard): string {
    return join(this.dir, 'shards', String(index).padStart(5, '0'))
  }

  /** Shards that are stored, damaged ones included. */
  storedShards(shards: readonly PlannedShard[]): PlannedShard[] {
    return shards.filter((shard) => existsSync(this.shardDir(shard)))
  }

  /** The edits of a stored shard; undefined when there is none, or a damaged one, which is removed and will be computed again. */
  editsOf(shard: PlannedShard, onDamaged: (reason: string) => void): readonly EditRow[] | undefined {
    const dir = this.shardDir(shard)
    if (!existsSync(dir)) return undefined
    try {
      return readShard(dir).edits
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      onDamaged(error.message)
      rmSync(dir, { recursive: true, force: true })
      return undefined
    }
  }

  drop(shard: PlannedShard): void {
    rmSync(this.shardDir(shard), { recursive: true, force: true })
  }

  /** The edit that a chain had come to at the end of a shard. @throws UserError when it is damaged */
  soFar(shard: PlannedShard): Edit | undefined {
    const dir = join(this.shardDir(shard), SO_FAR)
    return existsSync(dir) ? loadEdit(dir).edit : undefined
  }

  /** What became of the edit of a batch whose first part is stored. @throws UserError when it is damaged */
  madeIn(shard: PlannedShard): MadeEdit {
    const { edits, answers } = readShard(this.shardDir(shard))
    const row = edits.find((e) => e.error === null) ?? edits[0]!
    return { row, held: answers[0]?.held ?? shard.batch!.length }
  }

  /**
   * Takes a complete run apart into its shards again, so that some can be computed anew. What rests on an edit that is not
   * stored, a chain or a batch in parts, begins anew when something in it failed.
   */
  reopen(shards: readonly PlannedShard[], rows: Rows): void {
    const keyOf = ({ setting, caseId }: { setting: string; caseId: string }) => `${setting}\0${caseId}`
    const [answers, edits] = [groupBy(rows.answers, keyOf), groupBy(rows.edits, keyOf)]
    const failed = new Set(rows.edits.filter((e) => e.error !== null).map((e) => e.setting))
    for (const shard of shards) {
      const { protocol, settings, cases, start, checkpoint, previous, batch } = shard
      const rests = protocol.kind === 'sequential' || previous !== undefined || batch !== undefined
      if (rests && settings.some((s) => failed.has(s.id))) continue
      const keys = settings.flatMap((s) => cases.map((c) => keyOf({ setting: s.id, caseId: c.id })))
      const of = <T>(groups: ReadonlyMap<string, readonly T[]>) => keys.flatMap((key) => groups.get(key) ?? [])
      const atOnce = of(answers).filter((r) => !r.checkpoint)
      const own = settings.map((s) => s.id)
      const held = start + cases.length
      const again = checkpoint
        ? rows.answers.filter((r) => r.checkpoint && r.held === held && own.includes(r.setting))
        : []
      const content = {
        answers: answersTable.encode([[...atOnce, ...again]]).bytes,
        edits: editsTable.encode([of(edits)]).bytes
      }
      writeShard(this.shardDir(shard), content, { name: shard.model, hash: '' })
    }
    const { files: _, ...rest } = this.#manifest
    this.#manifest = { ...rest, status: 'running' }
    writeManifest(this.dir, this.#manifest)
  }

  /** Puts the rows of all shards together, in their order, and ends the run. @throws UserError when a shard is damaged */
  finish(shards: readonly PlannedShard[], seconds: number): Manifest {
    const rows = shards.map((shard) => readShard(this.shardDir(shard)))
    const answers = rows.map((r) => r.answers)
    const edits = rows.map((r) => r.edits)
    const files = {
      [ANSWERS]: answersTable.write(join(this.dir, ANSWERS), answers),
      [EDITS]: editsTable.write(join(this.dir, EDITS), edits)
    }
    this.#update({ seconds: this.#manifest.seconds + seconds, status: 'complete', files })
    for (const done of [join(this.dir, 'shards'), this.foundDir]) rmSync(done, { recursive: true, force: true })
    return this.#manifest
  }

  pause(seconds: number): void {
    this.#update({ seconds: this.#manifest.seconds + seconds })
  }

  /** Lets other processes have the run. */
  release(): void {
    this.#lock.release()
  }

  remove(): void {
    this.release()
    rmSync(this.dir, { recursive: true, force: true })
  }

  #update(changes: Partial<Manifest>): void {
    this.#manifest = { ...this.#manifest, ...changes }
    writeManifest(this.dir, this.#manifest)
  }
}

/** @throws UserError when a folder cannot hold runs */
export function checkResultsDir(dir: string): void {
  try {
    makeFolder(dir)
    // What cannot be written to shows now, not after the first hour.
    const probe = join(dir, `.${process.pid}.new`)
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (error) {
    throw new UserError(`cannot make the results folder: ${(error as Error).message}`, {
      place: dir,
      hint: 'choose another one with --out DIR'
    })
  }
}
