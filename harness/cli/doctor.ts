import type { Argv } from 'yargs'
import { bytes, print, printJson } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs.option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const doctorCommand = command({
  command: 'doctor',
  describe: 'Say what this machine runs with, how fast it is, and what is missing',
  builder,
  async handler({ json }) {
    const { freemem } = await import('node:os')
    const { BACKENDS, useBackend } = await import('../tensor')
    const { activeOrtBackend } = await import('../tensor/onnxruntime/backend')
    const { sgemmRate } = await import('../tensor/sgemm')
    const { cacheDir, describeMachine, packageVersion } = await import('../runner/machine')
    const { hubCache } = await import('../hub')
    const { embeddedModels } = await import('../model/registry')
    const { name, tried } = await useBackend('auto')
    const others = BACKENDS.filter((b) => !tried.some((t) => t.name === b)).map((b) => ({
      name: b,
      ok: true,
      reason: `not tried: ${name} comes first`
    }))
    const ort = activeOrtBackend()
    const report = {
      version: packageVersion(),
      machine: { ...describeMachine(), freeMemoryBytes: freemem(), residentBytes: process.memoryUsage.rss() },
      backend: name,
      backends: [...tried, ...others],
      threads: ort?.runtime.threads ?? 1,
      sgemmGflops: ort === undefined ? undefined : sgemmRate(ort),
      embeddedModels: embeddedModels(),
      cacheDir: cacheDir(),
      hubCache: hubCache()
    }
    if (json) {
      printJson(report)
      return
    }
    const { machine } = report
    print(`bench ${report.version} on Node.js ${machine.node}, ${machine.platform}`)
    print(`cpu       ${machine.cpu}, ${machine.cores} cores`)
    print(
      `memory    ${bytes(machine.memoryBytes)}, ${bytes(machine.freeMemoryBytes)} free; this process ${bytes(machine.residentBytes)}`
    )
    for (const backend of report.backends)
      print(`backend   ${backend.name === name ? '*' : backend.ok ? ' ' : '-'} ${backend.name}: ${backend.reason}`)
    print(`threads   ${report.threads}`)
    print(
      report.sgemmGflops === undefined
        ? 'sgemm     not measured: this backend has no fast product'
        : `sgemm     ${report.sgemmGflops.toFixed(0)} GFLOP/s`
    )
    print(`models    ${report.embeddedModels.join(', ') || 'none embedded'}`)
    print(`caches    ${report.cacheDir} (statistics), ${report.hubCache} (Hugging Face models)`)
  }
})
