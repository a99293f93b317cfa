import { MAX_ENTRIES } from '../protocol/links/link-reader.js';

/** Shortens a text of a document for an error message. */
export function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** @throws RangeError when a feed has more than `MAX_ENTRIES` entries */
export function checkEntryCount(count: number): void {
  if (count > MAX_ENTRIES) throw new RangeError(`The feed has more than ${MAX_ENTRIES} entries`);
}
