import type { FeedFormat } from '../feed.js';
import { checkEntryCount } from '../feed-limits.js';
import { walkXml, type Span, type XmlElement } from './walk-xml.js';

/** Longer an author is left out: feedsmith's cost for one grows with the square of it. */
const MAX_AUTHOR_LENGTH = 256;

/** Names of entries, and how deep they lie at most. */
const ENTRIES = new Set(['entry', 'deleted-entry', 'item']);
const ENTRY_DEPTH = 3;

const RSS_AUTHORS = new Set(['author', 'managingeditor', 'webmaster']);

/** Put before a name to make it one that nothing looks for. */
const HIDDEN_PREFIX = 'unread-';

/**
 * Checks an XML feed and takes out what feedsmith could be brought down with.
 *
 * @param xml from where the root begins
 * @returns the root alone: no document type, so no entity is declared
 * @throws SyntaxError where it is not well-formed
 * @throws RangeError where it is over a bound of PROTOCOL D12
 */
export function sanitizeXml(xml: string, format: FeedFormat): string {
  const names: Span[] = [];
  const instructions: Span[] = [];
  let entries = 0;

  /** @param length of the whole element */
  function isHarmful({ name }: XmlElement, length: number): boolean {
    const localName = localNameOf(name);
    // Its content would be taken for the length of a list that is then made.
    if (localName === 'length') return true;
    // Each item that this table of contents names would be sought among all of them, and those it does not name be lost.
    if (localName === 'items') return format === 'rdf';
    return format === 'rss' && RSS_AUTHORS.has(localName) && length > MAX_AUTHOR_LENGTH;
  }

  const rootEnd = walkXml(xml, {
    open({ name, depth }) {
      if (depth > ENTRY_DEPTH || !ENTRIES.has(localNameOf(name))) return;
      entries += 1;
      checkEntryCount(entries);
    },
    close(element, nameAt) {
      const end = nameAt ?? element.nameAt;
      if (!isHarmful(element, end.end - element.nameAt.start)) return;
      names.push(element.nameAt);
      if (nameAt !== undefined) names.push(nameAt);
    },
    // Quotes in one are read as in tags there.
    instruction: (at) => instructions.push(at),
  });
  const edits = [
    ...names.map((at) => ({ at: { start: at.start, end: at.start }, text: HIDDEN_PREFIX })),
    ...instructions.map((at) => ({ at, text: '' })),
  ].sort((one, other) => one.at.start - other.at.start);
  const parts: string[] = [];
  let copied = 0;
  for (const { at, text } of edits) {
    parts.push(xml.slice(copied, at.start), text);
    copied = at.end;
  }
  return parts.join('') + xml.slice(copied, rootEnd);
}

function localNameOf(name: string): string {
  return name.slice(name.indexOf(':') + 1).toLowerCase();
}
