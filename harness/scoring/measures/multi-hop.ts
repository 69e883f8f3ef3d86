import { type Measure, scoreKey, TRUE } from './measure'

const shared = {
  source: 'Zhong et al. 2023, arXiv 2305.14795, section 3.3',
  higherIsBetter: true,
  bounds: [0, 1],
  needs: 'choices',
  unit: 'share',
  headline: true
} as const

/** MQuAKE's instance-wise accuracy: all hops of the new chain are right, those that were edited and those that were not. */
export const instanceWise: Measure = {
  ...shared,
  name: 'instance-wise',
  title: 'All hops right',
  comparableWith: ['instance-wise'],
  allUnder: 'accuracy',
  labels: { accuracy: 'instance-wise' },
  value(row, side) {
    if (row.property === 'accuracy') return Number(side === 'after' ? row.exactAfter : row.exactBefore)
    return row.kind === 'hop' ? row.scores[scoreKey(TRUE, side)] : undefined
  }
}

/** Multi-hop questions, each way of asking for itself; MQuAKE's own number takes the best of three. */
export const multiHopMean: Measure = {
  ...shared,
  name: 'multi-hop-mean',
  title: 'Multi-hop questions, mean of their ways',
  comparableWith: ['multi-hop-mean'],
  eachWay: true,
  labels: { portability: 'mean of all ways' },
  value(row, side) {
    if (row.property !== 'portability' || row.kind !== 'multi-hop') return undefined
    return Number(side === 'after' ? row.exactAfter : row.exactBefore)
  }
}
