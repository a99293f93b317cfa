import { digestOf } from '../digest.js';
import type { FeedAuthor, ParsedEntry } from '../feed.js';
import { resolveUrl, type LinkBase } from './entry-url.js';

/** The fields read of an entry; undefined when the document has none. */
type EntryFields = { readonly [Field in keyof ParsedEntry]: ParsedEntry[Field] | undefined };

/** Builds an entry that always has an id, and has no undefined fields. */
export function toParsedEntry(fields: Partial<EntryFields>): ParsedEntry {
  const { id, url, raw, authors = [], deleted = false } = fields;
  return { ...withoutUndefined(fields), id: id ?? url ?? digestOf(raw), authors, deleted, raw };
}

/** Returns the author a person element describes; none when the element is empty. */
export function authorOf(
  name: string | undefined,
  link: string | undefined,
  email: string | undefined,
  base: LinkBase,
): readonly FeedAuthor[] {
  const url = resolveUrl(link, base);
  return (name ?? url ?? email) === undefined ? [] : [withoutUndefined({ name, url, email })];
}

/** Returns the first list that is not empty. */
export function firstNonEmpty<T>(...lists: readonly (readonly T[] | undefined)[]): readonly T[] {
  return lists.find((list) => list !== undefined && list.length > 0) ?? [];
}

/** Copies an object without its undefined members. */
export function withoutUndefined<T extends object>(object: T): Partial<T> {
  const result: Partial<T> = {};
  for (const name in object) if (object[name] !== undefined) result[name] = object[name];
  return result;
}
