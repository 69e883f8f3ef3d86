export { qaedit } from './qaedit'
