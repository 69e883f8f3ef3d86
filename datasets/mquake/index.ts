export { mquake } from './mquake'
