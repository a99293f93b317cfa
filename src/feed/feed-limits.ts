import { tooManyError } from './feed-error.js';
import { MAX_ENTRIES } from '../protocol/links/link-reader.js';

/** @throws RangeError when a feed has more than `MAX_ENTRIES` entries */
export function checkEntryCount(count: number): void {
  if (count > MAX_ENTRIES) throw tooManyError('The feed', MAX_ENTRIES, 'entries');
}
