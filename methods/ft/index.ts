export { ftL } from './ft'
