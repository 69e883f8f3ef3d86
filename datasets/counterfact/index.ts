export { counterfact } from './counterfact'
