/** The Hugging Face hub: its cache on disk, and downloads into it. */
export { CachedRepository, hubCache, parseRepository, type Repository } from './cache'
export { type Fetched, type FetchOptions, type FetchProgress, fetchRepository } from './fetch'
