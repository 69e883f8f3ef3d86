export { wikibigedit } from './wikibigedit'
