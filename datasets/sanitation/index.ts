export { sanitation } from './sanitation'
