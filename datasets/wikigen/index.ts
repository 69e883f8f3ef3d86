export { wikigen } from './wikigen'
