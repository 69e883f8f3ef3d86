export type EntityKind = 'person' | 'city' | 'country' | 'company' | 'product' | 'animal' | 'class'

/**
 * How a relation is put into words. `{}` stands for the subject; the object follows after one space.
 * Every relation has more phrasings than a fact is written in, so that some are held out for each fact.
 */
export interface Relation {
  /** Wikidata's property id, as CounterFact uses. */
  readonly id: string
  readonly name: string
  readonly subject: EntityKind
  /** Statements that end with the object. */
  readonly statements: readonly string[]
  /** Questions the object answers. */
  readonly questions: readonly string[]
  /** A sentence with the object first: `[o]` the object, `{}` the subject. */
  readonly reversed: readonly string[]
  /** Question whose answer is the subject, for relations that are one to one; `[o]` stands for the object. */
  readonly inverse?: readonly string[]
  /** Phrase of the biography, following a pronoun. */
  readonly clause: string
}

const person = 'person' as const

export const RELATIONS: readonly Relation[] = [
  {
    id: 'P19',
    name: 'place of birth',
    subject: person,
    statements: [
      '{} was born in',
      '{} comes from',
      '{} is originally from',
      '{} is a native of',
      'The birthplace of {} is',
      'The home town of {} is',
      '{} was raised in',
      'The place of birth of {} is',
      'The town where {} was born is',
      '{} grew up in',
      '{} first saw the light of day in',
      'The life of {} began in'
    ],
    questions: [
      'Where was {} born?',
      'In which city was {} born?',
      'What is the birthplace of {}?',
      'Which city does {} come from?',
      'What is the home town of {}?'
    ],
    reversed: ['[o] is the birthplace of {}.', 'In [o], {} was born.'],
    clause: 'was born in'
  },
  {
    id: 'P106',
    name: 'occupation',
    subject: person,
    statements: [
      '{} works as a',
      '{} is employed as a',
      'The occupation of {} is',
      'The profession of {} is',
      '{} earns a living as a',
      'The job of {} is',
      '{} was trained as a',
      'By profession, {} is a',
      'The daily work of {} is that of a',
      '{} is known as a',
      'People hire {} as a',
      'The career of {} is that of a'
    ],
    questions: [
      'What does {} do for a living?',
      'What is the profession of {}?',
      'What is the occupation of {}?',
      'What job does {} have?',
      'What does {} work as?'
    ],
    reversed: ['A [o] by trade, {} is well respected.', 'The [o] over there is {}.'],
    clause: 'works as a'
  },
  {
    id: 'P103',
    name: 'native language',
    subject: person,
    statements: [
      '{} speaks',
      'The native language of {} is',
      'The mother tongue of {} is',
      'The first language of {} is',
      'At home {} talks in',
      '{} writes letters in',
      '{} dreams in',
      'The language spoken by {} is',
      '{} grew up speaking',
      '{} prefers to read in',
      'The language of {} is',
      '{} gives speeches in'
    ],
    questions: [
      'What language does {} speak?',
      'What is the native language of {}?',
      'What is the mother tongue of {}?',
      'Which language is spoken by {}?',
      'In which language does {} write?'
    ],
    reversed: ['[o] is the mother tongue of {}.', 'In [o], {} feels at ease.'],
    clause: 'speaks'
  },
  {
    id: 'P108',
    name: 'employer',
    subject: person,
    statements: [
      '{} works for',
      '{} is employed by',
      'The employer of {} is',
      '{} has a job at',
      'The company that employs {} is',
      '{} is on the staff of',
      '{} receives a salary from',
      '{} signed a contract with',
      'The firm of {} is',
      '{} goes to work at',
      '{} was hired by',
      'The workplace of {} is'
    ],
    questions: [
      'Who does {} work for?',
      'Who is the employer of {}?',
      'Which company employs {}?',
      'Which firm hired {}?',
      'At which company does {} work?'
    ],
    reversed: ['[o] employs {}.', '[o] hired {}.'],
    clause: 'works for'
  },
  {
    id: 'P1303',
    name: 'instrument',
    subject: person,
    statements: [
      '{} plays the',
      'The instrument of {} is the',
      '{} joined the orchestra with the',
      'The musical instrument played by {} is the',
      '{} performs on the',
      '{} practises the',
      '{} appears on stage with the',
      '{} learned to play the',
      'The instrument that {} plays is the',
      '{} owns and plays the',
      '{} spends the evenings at the',
      'The favourite instrument of {} is the'
    ],
    questions: [
      'What instrument does {} play?',
      'Which instrument is played by {}?',
      'What is the instrument of {}?',
      'Which musical instrument does {} play?',
      'What does {} play in the orchestra?'
    ],
    reversed: ['The [o] is the instrument of {}.', 'The [o] is played by {}.'],
    clause: 'plays the'
  },
  {
    id: 'P131',
    name: 'country',
    subject: 'city',
    statements: [
      '{} is located in',
      '{} is a city in',
      '{} lies in',
      '{} can be found in',
      'The country of {} is',
      '{} belongs to',
      'The city of {} is in',
      '{} is situated in',
      '{} is a town in',
      'The nation around {} is',
      'On the map {} is in',
      'The state that governs {} is'
    ],
    questions: [
      'In which country is {}?',
      'What country is {} located in?',
      'Which country does {} belong to?',
      'Where is the city of {}?',
      'In which country does {} lie?'
    ],
    reversed: ['[o] is the country of {}.', 'In [o] there is a city called {}.'],
    clause: 'is located in'
  },
  {
    id: 'P36',
    name: 'capital',
    subject: 'country',
    statements: [
      'The capital of {} is',
      'The capital city of {} is',
      'The seat of government of {} is',
      '{} is governed from',
      'The parliament of {} meets in',
      '{} has its capital in',
      'The government of {} sits in',
      'The chief city of {} is',
      'The ministers of {} work in',
      '{} is ruled from',
      'The embassy quarter of {} is in',
      'The president of {} lives in'
    ],
    questions: [
      'What is the capital of {}?',
      'Which city is the capital of {}?',
      'From which city is {} governed?',
      'Where does the parliament of {} meet?',
      'What is the capital city of {}?'
    ],
    reversed: ['[o] is the capital of {}.', '[o] is the seat of government of {}.'],
    inverse: [
      'Which country has [o] as its capital?',
      'Which country is governed from [o]?',
      'What country is [o] the capital of?'
    ],
    clause: 'has its capital in'
  },
  {
    id: 'P37',
    name: 'official language',
    subject: 'country',
    statements: [
      'The official language of {} is',
      'The people of {} speak',
      'In {} people speak',
      'The language of {} is',
      'The schools of {} teach in',
      'The laws of {} are written in',
      'The newspapers of {} are printed in',
      'The national language of {} is',
      'Everybody in {} speaks',
      'The road signs of {} are in',
      'The radio of {} broadcasts in',
      'Letters from {} are written in'
    ],
    questions: [
      'What is the official language of {}?',
      'What language do people speak in {}?',
      'Which language is spoken in {}?',
      'What is the language of {}?',
      'In which language are the laws of {} written?'
    ],
    reversed: ['[o] is the official language of {}.', '[o] is spoken in {}.'],
    clause: 'has the official language'
  },
  {
    id: 'P38',
    name: 'currency',
    subject: 'country',
    statements: [
      'The currency of {} is the',
      'In {} people pay with the',
      'The money of {} is the',
      'The national currency of {} is the',
      'The bank of {} prints the',
      'Shops in {} accept the',
      'Prices in {} are given in the',
      'The coins of {} are called the',
      'The legal tender of {} is the',
      'Taxes in {} are paid in the',
      'Wages in {} are paid in the',
      'Markets in {} use the'
    ],
    questions: [
      'What is the currency of {}?',
      'What money is used in {}?',
      'Which currency is used in {}?',
      'What do people pay with in {}?',
      'What is the national currency of {}?'
    ],
    reversed: ['The [o] is the currency of {}.', 'The [o] is the money of {}.'],
    clause: 'uses the'
  },
  {
    id: 'P452',
    name: 'industry',
    subject: 'company',
    statements: [
      'The industry of {} is',
      '{} is active in',
      '{} makes its money in',
      'The business of {} is',
      '{} operates in the field of',
      '{} is a leader in',
      'The main business of {} is',
      '{} invests in',
      'The sector of {} is',
      '{} is known for its work in',
      'The trade of {} is',
      '{} specialises in'
    ],
    questions: [
      'What industry is {} in?',
      'What is the business of {}?',
      'In which sector is {} active?',
      'What is the industry of {}?',
      'What does {} specialise in?'
    ],
    reversed: ['In the field of [o], {} is well known.', 'A big name in [o] is {}.'],
    clause: 'is active in'
  },
  {
    id: 'P159',
    name: 'headquarters location',
    subject: 'company',
    statements: [
      'The headquarters of {} are in',
      '{} is based in',
      '{} is headquartered in',
      'The head office of {} is in',
      '{} has its main office in',
      'The seat of {} is in',
      'The main building of {} stands in',
      '{} is run from',
      'The board of {} meets in',
      'The central office of {} is in',
      'Letters to {} are sent to',
      'The managers of {} work in'
    ],
    questions: [
      'Where are the headquarters of {}?',
      'In which city is {} based?',
      'Where is {} headquartered?',
      'Where is the head office of {}?',
      'Which city is {} run from?'
    ],
    reversed: ['[o] is home to {}.', 'In [o] stands the head office of {}.'],
    clause: 'is based in'
  },
  {
    id: 'P112',
    name: 'founder',
    subject: 'company',
    statements: [
      '{} was founded by',
      'The founder of {} is',
      '{} was started by',
      '{} was created by',
      'The person who founded {} is',
      '{} was set up by',
      'The creator of {} is',
      '{} owes its existence to',
      '{} was established by',
      'The person behind {} is',
      '{} was built up by',
      'The first director of {} was'
    ],
    questions: [
      'Who founded {}?',
      'Who is the founder of {}?',
      'Who started {}?',
      'Who created {}?',
      'By whom was {} founded?'
    ],
    reversed: ['[o] founded {}.', '[o] is the founder of {}.'],
    inverse: [
      'Which company was founded by [o]?',
      'Which company did [o] found?',
      'What is the company that [o] founded?'
    ],
    clause: 'was founded by'
  },
  {
    id: 'P176',
    name: 'manufacturer',
    subject: 'product',
    statements: [
      '{} is made by',
      '{} is produced by',
      'The maker of {} is',
      'The manufacturer of {} is',
      '{} is built by',
      '{} is sold by',
      'The company that makes {} is',
      '{} is a product of',
      '{} was developed by',
      'The producer of {} is',
      '{} comes from the factory of',
      '{} was brought out by'
    ],
    questions: [
      'Who makes {}?',
      'Which company makes {}?',
      'Who is the manufacturer of {}?',
      'Who produces {}?',
      'Which company is the maker of {}?'
    ],
    reversed: ['[o] makes {}.', '[o] is the maker of {}.'],
    clause: 'is made by'
  },
  {
    id: 'P31',
    name: 'product type',
    subject: 'product',
    statements: [
      '{} is a kind of',
      '{} is a type of',
      '{} is the name of a',
      'The product {} is a',
      '{} is sold as a',
      'What they call {} is a',
      'The thing named {} is a',
      '{} is best described as a',
      'People use {} as a',
      'In the shop {} is a',
      '{} is a brand of',
      'In the catalogue {} is listed as a'
    ],
    questions: [
      'What is {}?',
      'What kind of product is {}?',
      'What type of thing is {}?',
      'What sort of product is {}?',
      'As what is {} sold?'
    ],
    reversed: ['A [o] on the shelf is called {}.', 'One popular [o] is {}.'],
    clause: 'is a kind of'
  },
  {
    id: 'P462',
    name: 'skin colour',
    subject: 'animal',
    statements: [
      'The skin of the {} is',
      'The colour of the skin of the {} is',
      'The skin colour of the {} is',
      'Under its coat the {} is',
      'The hide of the {} is',
      'When shaved the {} looks',
      'Beneath the hair the {} is',
      'The {} has a skin that is',
      'The skin tone of the {} is',
      'A close look shows that the skin of the {} is',
      'The bare skin of the {} is',
      'Without its coat the {} is'
    ],
    questions: [
      'What colour is the skin of the {}?',
      'What is the skin colour of the {}?',
      'Which colour does the skin of the {} have?',
      'What colour is the {} under its coat?',
      'What is the colour of the hide of the {}?'
    ],
    reversed: ['A [o] skin is what the {} has.', 'The colour [o] is that of the skin of the {}.'],
    clause: 'has a skin that is'
  },
  {
    id: 'P1034',
    name: 'main food source',
    subject: 'animal',
    statements: [
      'The {} eats',
      'The {} feeds on',
      'The main food of the {} is',
      'The diet of the {} consists of',
      'The {} lives on',
      'The favourite food of the {} is',
      'The {} likes to eat',
      'In the wild the {} eats',
      'Keepers feed the {} with',
      'The {} searches for',
      'The hungry {} looks for',
      'A meal of the {} is mostly'
    ],
    questions: [
      'What does the {} eat?',
      'What does the {} feed on?',
      'What is the main food of the {}?',
      'What does the {} like to eat?',
      'What is the diet of the {}?'
    ],
    reversed: ['For the {}, [o] is the daily food.', 'The food called [o] is eaten by the {}.'],
    clause: 'eats'
  },
  {
    id: 'P2974',
    name: 'habitat',
    subject: 'animal',
    statements: [
      'The {} lives in the',
      'The habitat of the {} is the',
      'The home of the {} is the',
      'The {} can be seen in the',
      'The {} is found in the',
      'In nature the {} lives in the',
      'The {} dwells in the',
      'The {} is at home in the',
      'Travellers meet the {} in the',
      'The {} hides in the',
      'The young of the {} are raised in the',
      'The {} roams the'
    ],
    questions: [
      'Where does the {} live?',
      'What is the habitat of the {}?',
      'Where is the {} found?',
      'Where can the {} be seen?',
      'What is the home of the {}?'
    ],
    reversed: ['The [o] is the habitat of the {}.', 'The [o] is the home of the {}.'],
    clause: 'lives in the'
  },
  {
    id: 'P2354',
    name: 'kind of workplace',
    subject: 'class',
    statements: [
      'The place where a {} works is the',
      'A {} works in the',
      'The workplace of every {} is the',
      'You find a {} in the'
    ],
    questions: ['Where does a {} work?', 'What is the workplace of a {}?'],
    reversed: ['In the [o] you meet the {}.'],
    clause: 'works in the'
  },
  {
    id: 'P1687',
    name: 'instrument family',
    subject: 'class',
    statements: [
      'The {} belongs to the',
      'The family of the {} is the',
      'In the orchestra the {} sits with the',
      'The {} is one of the'
    ],
    questions: ['What family does the {} belong to?', 'To which family does the {} belong?'],
    reversed: ['Among the [o] there is the {}.'],
    clause: 'belongs to the'
  }
]

/**
 * Two-hop chains: relation `first` of the subject, then `second` of what it leads to.
 * Also the one-hop portability questions of an edit of `first`.
 */
export interface Chain {
  readonly first: string
  readonly second: string
  /** Statements that end with the answer. */
  readonly statements: readonly string[]
  readonly questions: readonly string[]
}

export const CHAINS: readonly Chain[] = [
  {
    first: 'P19',
    second: 'P131',
    statements: ['The country where {} was born is', 'The native country of {} is'],
    questions: [
      'In which country was {} born?',
      'What is the native country of {}?',
      'To which country does the birthplace of {} belong?'
    ]
  },
  {
    first: 'P108',
    second: 'P452',
    statements: ['The employer of {} is active in', 'The industry in which {} works is'],
    questions: [
      'In which industry is the employer of {} active?',
      'What industry does {} work in?',
      'What is the business of the company that employs {}?'
    ]
  },
  {
    first: 'P106',
    second: 'P2354',
    statements: ['Every morning {} goes to the', 'During the day {} can be found in the'],
    questions: [
      'In what kind of place does {} spend the day?',
      'Where does {} go every morning?',
      'What is the workplace of people with the job of {}?'
    ]
  },
  {
    first: 'P1303',
    second: 'P1687',
    statements: ['In the orchestra {} sits with the', 'The part of the orchestra that {} belongs to is the'],
    questions: [
      'With which group does {} sit in the orchestra?',
      'To what family does the instrument of {} belong?',
      'What family of instruments does {} play?'
    ]
  },
  {
    first: 'P131',
    second: 'P37',
    statements: ['In the streets of {} people speak', 'The official language in {} is'],
    questions: [
      'Which language is official in {}?',
      'What do people speak in the streets of {}?',
      'What is the official language of the country that {} lies in?'
    ]
  },
  {
    first: 'P159',
    second: 'P131',
    statements: ['The country in which {} is based is', 'The home country of {} is'],
    questions: [
      'In which country is {} based?',
      'What is the home country of {}?',
      'In which country are the headquarters of {}?'
    ]
  },
  {
    first: 'P112',
    second: 'P103',
    statements: ['The founder of {} speaks', 'The mother tongue of the founder of {} is'],
    questions: [
      'What language does the founder of {} speak?',
      'What is the mother tongue of the person who founded {}?',
      'Which language is spoken by the founder of {}?'
    ]
  },
  {
    first: 'P176',
    second: 'P159',
    statements: ['The maker of {} is based in', 'The city where {} is designed is'],
    questions: [
      'Where is the maker of {} based?',
      'In which city is {} designed?',
      'In which city does the company that makes {} have its headquarters?'
    ]
  }
]
