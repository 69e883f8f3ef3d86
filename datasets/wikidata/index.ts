export { wikidataCounterfact, wikidataRecent } from './wikidata'
