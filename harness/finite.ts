/** Whether all values are numbers, neither NaN nor infinite. */
export function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (values[i]! - values[i]! !== 0) return false
  return true
}
