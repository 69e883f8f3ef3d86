/** The right answers of a case; questions that ask one thing in several ways count once, and are right when one of the ways is. */
export class Tally {
  private questions = 0
  private right = 0
  private ways: Map<string, boolean> | undefined

  add(anyOf: string | null, right: boolean): void {
    if (anyOf === null) {
      this.questions++
      this.right += Number(right)
      return
    }
    this.ways ??= new Map()
    this.ways.set(anyOf, right || this.ways.get(anyOf) === true)
  }

  get share(): number {
    const ways = [...(this.ways?.values() ?? [])]
    return (this.right + ways.filter((right) => right).length) / (this.questions + ways.length)
  }
}
