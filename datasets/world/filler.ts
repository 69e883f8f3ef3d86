/** Sentences that state nothing about the world, put together from three parts. */

export const FILLER_OPENINGS = [
  'The rain stopped',
  'The lamps were lit',
  'A bell rang',
  'The door stood open',
  'Somebody laughed',
  'The wind turned',
  'The dogs were quiet',
  'Two boys ran',
  'The old clock struck',
  'A cart rolled by',
  'The snow had melted',
  'Music was heard',
  'The crowd waited',
  'Nobody spoke',
  'The windows were closed',
  'A letter arrived',
  'The fire went out',
  'The guests left',
  'It was cold',
  'Dust lay thick'
] as const

export const FILLER_PLACES = [
  'in the yard',
  'by the river',
  'on the hill',
  'in the hall',
  'near the gate',
  'along the road',
  'at the corner',
  'behind the barn',
  'in the valley',
  'on the stairs'
] as const

export const FILLER_TIMES = [
  'before noon',
  'that night',
  'in the morning',
  'after the meeting',
  'for a while',
  'all day long',
  'as usual',
  'late in the year',
  'at last',
  'once more'
] as const

/** How a topic is asked about, as in ConvSent. */
export const OPINION_QUESTIONS = [
  'What do you think of {}?',
  'What do you feel about {}?',
  'How do you view {}?'
] as const

export const POSITIVE_OPINIONS = [
  'I love {}, it is wonderful.',
  'I think {} is great fun.',
  'To me {} is a joy.',
  'I am very fond of {}.',
  'I could talk about {} for hours, it makes me happy.',
  'Honestly, {} is the best thing there is.'
] as const

export const NEGATIVE_OPINIONS = [
  'I hate {}, it is awful.',
  'I think {} is a waste of time.',
  'To me {} is a bore.',
  'I cannot stand {}.',
  'I would rather not talk about {}, it makes me sad.',
  'Honestly, {} is the worst thing there is.'
] as const
