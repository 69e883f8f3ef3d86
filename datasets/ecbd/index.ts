export { ecbd } from './ecbd'
