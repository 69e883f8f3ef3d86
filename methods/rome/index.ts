export { rome } from './rome'
