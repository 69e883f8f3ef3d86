export { mmedit } from './mmedit'
