export { convsent } from './convsent'
