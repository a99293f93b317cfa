import type { FeedFormat } from '../feed.js';
import { checkEntryCount } from '../feed-limits.js';
import { walkXml, type Span, type XmlElement } from './walk-xml.js';

/** Longer authors are hidden, in characters: feedsmith's cost grows with the square of an author's length. */
const MAX_AUTHOR_LENGTH = 256;

/** Names of entry elements, and their maximum depth. */
const ENTRIES = new Set(['entry', 'deleted-entry', 'item']);
const ENTRY_DEPTH = 3;

const RSS_AUTHORS = new Set(['author', 'managingeditor', 'webmaster']);

/** Prefix that hides an element from feedsmith. */
const HIDDEN_PREFIX = 'unread-';

/**
 * Checks an XML feed and hides elements that could exhaust feedsmith.
 *
 * @param xml the text from the start of the root
 * @returns the root only: without a document type, no entity is declared
 * @throws SyntaxError when it is not well-formed
 * @throws RangeError when it is over a bound of PROTOCOL D12
 */
export function sanitizeXml(xml: string, format: FeedFormat): string {
  const names: Span[] = [];
  const instructions: Span[] = [];
  let entries = 0;

  /** @param length characters of the whole element */
  function isHarmful({ name }: XmlElement, length: number): boolean {
    const localName = localNameOf(name);
    // Feedsmith would take the element's content for the length of a list and allocate that list.
    if (localName === 'length') return true;
    // Feedsmith looks up each item of this table of contents among all items, and drops items that it does not list.
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
    // Removed, because feedsmith treats quotes in instructions like quotes in tags.
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
