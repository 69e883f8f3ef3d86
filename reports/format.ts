import type { Estimate } from '../harness/scoring/types'

/** How numbers look on the pages. */

export const NOT_MEASURED = 'not measured'

/** With a real minus sign, which is as wide as a digit, and none before zero. */
export function percent(share: number): string {
  const text = (100 * share).toFixed(1)
  return text === '-0.0' ? '0.0' : text.replace('-', '−')
}

export function interval({ low, high }: Estimate, show: (value: number) => string = percent): string {
  const [from, to] = [show(low), show(high)]
  return `${from}${from.startsWith('−') ? ' to ' : '–'}${to}`
}

/** A number that is no share, in three digits. */
export function plain(value: number): string {
  if (!Number.isFinite(value)) return '∞'
  if (value >= 1e6) return value.toExponential(1)
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

/** How a measure's numbers look. */
export const showOf = (unit: 'share' | 'number') => (unit === 'share' ? percent : plain)

export function milliseconds(ms: number | undefined): string {
  if (ms === undefined) return NOT_MEASURED
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  return ms >= 100 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`
}

export function seconds(s: number): string {
  return s < 120 ? `${s.toFixed(0)} s` : `${(s / 60).toFixed(0)} min`
}

export function bytes(count: number | undefined): string {
  if (count === undefined) return NOT_MEASURED
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${units[power]}`
}

export function flops(count: number | undefined): string {
  if (count === undefined) return NOT_MEASURED
  return count >= 1e12 ? `${(count / 1e12).toFixed(2)} TFLOP` : `${(count / 1e9).toFixed(2)} GFLOP`
}

/** `2026-11-23 14:05 UTC`. */
export const moment = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')} UTC`
