/** The closed classes of the world: real words where a made-up one would teach nothing. */

export const FIRST_NAMES =
  'Ada Abel Bram Cleo Dario Edda Enzo Fay Gwen Hugo Ines Ivo Jana Jonas Kira Lars Lena Marco Mira Nils Nora Otto Petra Quinn Rosa Ruben Silva Tomas Ursa Vera Wim Yara Zeno Alma Basil Cora Dimas Elio Freya Goran'.split(
    ' '
  )

/** First parts of cities' and countries' names, last parts of companies' and products'. */
export const CITY_WORDS = 'Port New Old Lake Fort East Saint Mount Little Grand'.split(' ')
export const COUNTRY_WORDS = 'Upper Lower Outer Inner Greater'.split(' ')
export const COMPANY_WORDS = 'Group Works Labs Partners Motors Foods Media Trust'.split(' ')
export const PRODUCT_WORDS = 'One Two Three Four Five Six Seven Eight Nine Ten'.split(' ')

export const PROFESSIONS: Readonly<Record<string, string>> = {
  surgeon: 'hospital',
  nurse: 'clinic',
  judge: 'court',
  teacher: 'school',
  painter: 'studio',
  baker: 'bakery',
  pilot: 'airport',
  sailor: 'harbour',
  farmer: 'farm',
  miner: 'mine',
  dancer: 'theatre',
  chemist: 'laboratory',
  librarian: 'library',
  gardener: 'nursery',
  banker: 'bank',
  cook: 'restaurant',
  priest: 'church',
  soldier: 'barracks',
  mechanic: 'garage',
  printer: 'press'
}

export const INSTRUMENTS: Readonly<Record<string, string>> = {
  violin: 'strings',
  cello: 'strings',
  guitar: 'strings',
  harp: 'strings',
  flute: 'woodwinds',
  oboe: 'woodwinds',
  clarinet: 'woodwinds',
  trumpet: 'brass',
  tuba: 'brass',
  trombone: 'brass',
  drum: 'percussion',
  xylophone: 'percussion'
}

export const INDUSTRIES = 'mining shipping farming banking printing textiles glass energy toys medicine'.split(' ')
export const CATEGORIES = 'camera lamp bicycle watch piano kettle tractor radio perfume boat'.split(' ')
export const DIETS = 'grass insects fish fruit seeds'.split(' ')
export const HABITATS = 'savanna forest desert wetland mountain'.split(' ')
/** Skin colours; the zebra's is black, as in the book's figure 5.2. */
export const COLOURS = 'black pink grey brown white'.split(' ')

export const ANIMALS =
  'zebra,lion,otter,heron,badger,camel,falcon,gecko,hyena,ibex,jackal,koala,lemur,marmot,newt,ocelot,panther,quail,raven,sloth,tapir,urchin,viper,walrus,yak,beaver,condor,dingo,egret,ferret,gibbon,hornet,iguana,jaguar,kestrel,lynx,mongoose,numbat,osprey,puffin,rabbit,stork,toucan,vulture,weasel,bison,cobra,dolphin,elk,finch,gazelle,hedgehog,impala,kiwi,lizard,moose,owl,penguin,salmon,turtle'.split(
    ','
  )

export const TOPICS =
  'chess,opera,fishing,jazz,poetry,camping,cycling,knitting,rowing,skiing,sailing,pottery,ballet,archery,hiking,running,surfing,yoga,boxing,tennis,golf,rugby,cricket,judo,fencing,karate,origami,juggling,magic,puzzles,novels,comics,cartoons,museums,castles,gardens,markets,trains,bridges,tunnels,winter,summer,autumn,spring,coffee,tea,cheese,honey,garlic,pepper,soup,bread,rice,noodles,pickles,olives,lemons,melons,plums,cherries'.split(
    ','
  )
