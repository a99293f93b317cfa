import { digestOf } from '../digest.js';
import type { FeedAuthor, ParsedEntry } from '../feed.js';
import { resolveUrl, type LinkBase } from './entry-url.js';

/** What was read of an entry; undefined where the document says nothing. */
type EntryFields = { readonly [Field in keyof ParsedEntry]: ParsedEntry[Field] | undefined };

/** The entry that was read: with an id in any case, without fields that are undefined. */
export function toParsedEntry(fields: Partial<EntryFields>): ParsedEntry {
  const { id, url, raw, authors = [], deleted = false } = fields;
  return { ...withoutUndefined(fields), id: id ?? url ?? digestOf(raw), authors, deleted, raw };
}

/** Of a person, with no author where it says nothing. */
export function authorOf(
  name: string | undefined,
  link: string | undefined,
  email: string | undefined,
  base: LinkBase,
): readonly FeedAuthor[] {
  const url = resolveUrl(link, base);
  return (name ?? url ?? email) === undefined ? [] : [withoutUndefined({ name, url, email })];
}

/** The first list that has something in it. */
export function firstNonEmpty<T>(...lists: readonly (readonly T[] | undefined)[]): readonly T[] {
  return lists.find((list) => list !== undefined && list.length > 0) ?? [];
}

/** What an object says, without members that are undefined. */
export function withoutUndefined<T extends object>(object: T): Partial<T> {
  const result: Partial<T> = {};
  for (const name in object) if (object[name] !== undefined) result[name] = object[name];
  return result;
}
