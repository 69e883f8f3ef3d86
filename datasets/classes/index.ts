export { biasInBios } from './bias-in-bios'
export { fever } from './fever'
export { scotus } from './scotus'
export { vitaminc } from './vitaminc'
