export { editFacts, rome } from './rome'
