export { pararel } from './pararel'
