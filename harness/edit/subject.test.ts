import { findSubject, subjectEnd } from './subject'

describe('a subject is found', () => {
  it.each([
    ['as a word of its own rather than inside another', 'Ada lives in Adanville', 'Ada', 0],
    ['at its last place where it stands twice', 'Rome, and again Rome is', 'Rome', 16],
    ['before a possessive', "Ada's mother is", 'Ada', 0],
    ['not in the beginning of a longer number', 'In 19 or 1984', '19', 3],
    ['inside a word where there is no other place', 'the preRomeans', 'Rome', 7],
    ['in scripts without word breaks, at its last place', '北京是北京的', '北京', 3],
    ['after a letter with combining marks', 'Cafe\u0301 Ada', 'Ada', 6]
  ])('%s', (_, prompt, subject, at) => expect(findSubject(prompt, subject)).toBe(at))

  it('nowhere', () => {
    expect(findSubject('The zebra', 'lion')).toBeUndefined()
    expect(findSubject('The zebra', '')).toBeUndefined()
  })
})

it('ends where the record says, and must be there', () => {
  const fact = { prompt: 'Ada and Ada', subject: 'Ada', target: 'x' }
  expect([subjectEnd(fact), subjectEnd({ ...fact, subjectAt: 0 })]).toEqual([11, 3])
  expect(() => subjectEnd({ ...fact, subjectAt: 4 })).toThrow(/does not occur in the prompt/)
  expect(() => subjectEnd({ ...fact, subject: 'Bob' })).toThrow(/the subject 'Bob' does not occur/)
})
