export { halluedit } from './halluedit'
