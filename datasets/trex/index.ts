export { trex } from './trex'
