export { type AbilitySources, abilityCases } from './ability'
