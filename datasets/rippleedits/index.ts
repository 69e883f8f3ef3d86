export { rippleEdits } from './rippleedits'
