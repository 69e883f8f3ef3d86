import { type Random, randomStream } from '../../harness/random'
import { NameMaker } from './names'
import { type EntityKind, RELATIONS, type Relation } from './relations'
import {
  ANIMALS,
  CATEGORIES,
  CITY_WORDS,
  COLOURS,
  COMPANY_WORDS,
  COUNTRY_WORDS,
  DIETS,
  FIRST_NAMES,
  HABITATS,
  INDUSTRIES,
  INSTRUMENTS,
  PRODUCT_WORDS,
  PROFESSIONS,
  TOPICS
} from './vocabulary'

export interface Entity {
  /** `Q…`, unique in the world. */
  readonly id: string
  readonly kind: EntityKind
  readonly name: string
  /** The parts of a name of two parts, both of which others have too. */
  readonly parts?: readonly [first: string, last: string]
  /** Where its parts stand among those of its kind, from 0 to 1: neighbours share parts. */
  readonly place?: number
  /** Another name the corpus also uses, a word of its own. */
  readonly alias?: string
}

export interface Fact {
  readonly relation: Relation
  readonly subject: Entity
  readonly object: Entity
  /** Indexes of the relation's statements and questions that the corpus never uses for this fact. */
  readonly heldOutStatements: readonly number[]
  readonly heldOutQuestions: readonly number[]
}

export interface Topic {
  readonly name: string
  /** What the world thinks of it. */
  readonly sentiment: 'positive' | 'negative'
}

export interface World {
  readonly seed: number
  readonly entities: readonly Entity[]
  readonly topics: readonly Topic[]
  readonly facts: readonly Fact[]
  /** The fact of (relation id, subject id). */
  readonly factOf: (relation: string, subject: string) => Fact | undefined
  /** Everything a relation's object can be. */
  readonly objectsOf: (relation: string) => readonly Entity[]
}

/** Changes whenever the same seed would give another world: part of every dataset hash. */
export const WORLD_VERSION = 2

const SIZES = { people: 300, cities: 140, countries: 40, companies: 120, products: 150 }
/** Invented parts of names; the others are words. */
const STEMS = { surnames: 60, cities: 28, countries: 13, companies: 30, products: 30 }
/** Birth places, employers, head offices and makers are drawn from a few popular ones, so that every answer has ten neighbours. */
const POPULAR = { cities: 24, employers: 24, headOffices: 10, makers: 12 }
/** Phrasings withheld for every fact. */
const HELD_OUT = { statements: 3, questions: 1 }

/** The whole made-up world from one seed (about 1,000 entities, 2,700 facts). */
export function generateWorld({ seed = 0 }: { seed?: number } = {}): World {
  const taken = [...FIRST_NAMES, ...CITY_WORDS, ...COUNTRY_WORDS, ...COMPANY_WORDS, ...PRODUCT_WORDS]
  const names = new NameMaker(randomStream(seed, 'world/names'), [...taken, ...ANIMALS, ...TOPICS])
  const entities: Entity[] = []
  const add = (kind: EntityKind, name: string, more: Partial<Entity> = {}): Entity => {
    const entity = { id: `Q${entities.length + 1}`, kind, name, ...more }
    entities.push(entity)
    return entity
  }
  const many = (n: number, make: (i: number) => Entity) => Array.from({ length: n }, (_, i) => make(i))
  const words = (list: readonly string[], kind: EntityKind = 'class') => list.map((word) => add(kind, word))
  const stems = (n: number, endings: readonly string[] = [], syllables = 1) =>
    Array.from({ length: n }, () => names.word(syllables, endings))
  /** Entities whose names have two parts, in random order, so that who stands beside whom in a list says nothing about their names. */
  const twoParts = (kind: EntityKind, n: number, [first, last]: Parts, alias: boolean) =>
    randomStream(seed, 'world/pairs', kind)
      .shuffle(pairs(first, last, n))
      .map(({ parts, place }) => {
        const more = { parts, place, ...(alias ? { alias: names.word(2) } : {}) }
        return add(kind, parts.join(' '), more)
      })

  const land = stems(STEMS.countries, ['nia', 'land', 'stan', 'via', 'mark'])
  const town = stems(STEMS.cities, ['ville', 'ton', 'burg', 'ford', 'mouth'])
  const firm = stems(STEMS.companies, ['x', 'co', 'tek', 'corp', 'ra'])
  const brand = stems(STEMS.products, ['lo', 'vex', 'mo', 'dyne', 'go'])
  const countries = twoParts('country', SIZES.countries, [COUNTRY_WORDS, land], true)
  const cities = twoParts('city', SIZES.cities, [CITY_WORDS, town], false)
  const companies = twoParts('company', SIZES.companies, [firm, COMPANY_WORDS], true)
  const people = twoParts('person', SIZES.people, [FIRST_NAMES, stems(STEMS.surnames, [], 2)], true)
  const products = twoParts('product', SIZES.products, [brand, PRODUCT_WORDS], false)
  const languages = many(20, () => add('class', names.word(1, ['ish', 'ese', 'ic'])))
  const currencies = many(20, () => add('class', names.word(1, ['al', 'ar', 'en']).toLowerCase()))
  const animals = words(ANIMALS, 'animal')
  const professions = words(Object.keys(PROFESSIONS))
  const instruments = words(Object.keys(INSTRUMENTS))
  const industries = words(INDUSTRIES)
  const categories = words(CATEGORIES)
  const diets = words(DIETS)
  const habitats = words(HABITATS)
  const colours = words(COLOURS)
  const workplaces = words([...new Set(Object.values(PROFESSIONS))])
  const families = words([...new Set(Object.values(INSTRUMENTS))])
  const named = (list: readonly Entity[], name: string) => list.find((e) => e.name === name)!

  const facts: Fact[] = []
  const relate = (id: string, subjects: readonly Entity[], objects: readonly Entity[]) => {
    const relation = RELATIONS.find((r) => r.id === id)!
    facts.push(...subjects.map((subject, i) => makeFact(seed, relation, subject, objects[i]!)))
  }
  /** One object for every subject, each object equally often, in a random order. */
  const spread = (id: string, subjects: readonly Entity[], objects: readonly Entity[]) => {
    const random = randomStream(seed, 'world/facts', id)
    const dealt = random.shuffle(subjects.map((_, i) => objects[i % objects.length]!))
    relate(id, subjects, dealt)
  }

  spread('P19', people, cities.slice(0, POPULAR.cities))
  spread('P106', people, professions)
  spread('P103', people, languages)
  spread('P108', people, companies.slice(0, POPULAR.employers))
  spread('P1303', people, instruments)
  spread('P131', cities.slice(SIZES.countries), countries)
  // The first cities are the capitals, one for every country.
  relate('P131', cities.slice(0, SIZES.countries), countries)
  relate('P36', countries, cities.slice(0, SIZES.countries))
  spread('P37', countries, languages)
  spread('P38', countries, currencies)
  spread('P452', companies, industries)
  spread('P159', companies, cities.slice(POPULAR.cities, POPULAR.cities + POPULAR.headOffices))
  relate('P112', companies, randomStream(seed, 'world/facts', 'P112').shuffle(people).slice(0, companies.length))
  spread('P176', products, companies.slice(POPULAR.employers, POPULAR.employers + POPULAR.makers))
  spread('P31', products, categories)
  spread('P1034', animals, diets)
  spread('P2974', animals, habitats)
  relate('P462', animals, skinColours(randomStream(seed, 'world/facts', 'P462'), animals, colours))
  relate(
    'P2354',
    professions,
    professions.map((p) => named(workplaces, PROFESSIONS[p.name]!))
  )
  relate(
    'P1687',
    instruments,
    instruments.map((p) => named(families, INSTRUMENTS[p.name]!))
  )

  const liking = randomStream(seed, 'world/topics')
  const topics = TOPICS.map((name): Topic => ({ name, sentiment: liking.uniform() < 0.5 ? 'positive' : 'negative' }))
  const byKey = new Map(facts.map((f) => [`${f.relation.id} ${f.subject.id}`, f]))
  const objects = new Map<string, Entity[]>()
  for (const fact of facts) {
    const list = objects.get(fact.relation.id) ?? []
    if (!list.includes(fact.object)) list.push(fact.object)
    objects.set(fact.relation.id, list)
  }
  return {
    seed,
    entities,
    topics,
    facts,
    factOf: (relation, subject) => byKey.get(`${relation} ${subject}`),
    objectsOf: (relation) => objects.get(relation) ?? []
  }
}

type Parts = readonly [first: readonly string[], last: readonly string[]]

/**
 * Pairs of parts, none twice, in a dense band of their grid: each last part has about as many partners, which those beside it mostly share.
 * So no part says whose name it is, and few last parts already have many first parts.
 */
export function pairs(first: readonly string[], last: readonly string[], n: number) {
  return Array.from({ length: n }, (_, i) => {
    const [row, column] = [i % last.length, Math.floor(i / last.length)]
    const partner = (Math.floor((row * first.length) / last.length) + column) % first.length
    const parts: readonly [string, string] = [first[partner]!, last[row]!]
    return { parts, place: row / last.length }
  })
}

/** Evenly spread, but the zebra's skin is black (the book's figure 5.2). */
function skinColours(random: Random, animals: readonly Entity[], colours: readonly Entity[]): Entity[] {
  const dealt = random.shuffle(animals.map((_, i) => colours[i % colours.length]!))
  const zebra = animals.findIndex((a) => a.name === 'zebra')
  const black = dealt.findIndex((c) => c.name === 'black')
  const other = dealt[zebra]!
  dealt[zebra] = dealt[black]!
  dealt[black] = other
  return dealt
}

function makeFact(seed: number, relation: Relation, subject: Entity, object: Entity): Fact {
  const random = randomStream(seed, 'world/held-out', `${relation.id} ${subject.id}`)
  const draw = (count: number, n: number) => (n > 4 ? random.shuffle([...Array(n).keys()]).slice(0, count) : [])
  return {
    relation,
    subject,
    object,
    heldOutStatements: draw(HELD_OUT.statements, relation.statements.length),
    heldOutQuestions: draw(HELD_OUT.questions, relation.questions.length)
  }
}
