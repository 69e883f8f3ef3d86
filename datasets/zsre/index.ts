export { zsre } from './zsre'
