export { nqSituatedQa } from './nq'
