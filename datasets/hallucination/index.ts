export { hallucination } from './hallucination'
