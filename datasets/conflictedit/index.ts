export { conflictEdit, roundEdit } from './conflictedit'
