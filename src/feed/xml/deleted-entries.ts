import { alternateUrl } from './atom.js';
import { toParsedEntry, withoutUndefined } from '../entry/entry.js';
import { readDate } from '../entry/entry-date.js';
import { innerBase, type LinkBase } from '../entry/entry-url.js';
import type { ParsedEntry } from '../feed.js';
import { walkXml, type XmlElement } from './walk-xml.js';
import { deletedYoutubeVideo } from '../youtube.js';

const NAMESPACE = 'http://purl.org/atompub/tombstones/1.0';

/** A deleted entry, and the number of entries before it. */
export interface DeletedEntry {
  readonly entry: ParsedEntry;
  readonly entriesBefore: number;
}

/** The fields of an `at:deleted-entry`. */
interface RawDeletedEntry {
  readonly ref?: string;
  readonly when?: string;
  readonly comment?: string;
  readonly by?: { readonly name?: string; readonly uri?: string; readonly email?: string };
  readonly links?: { href?: string; rel?: string; type?: string }[];
}

/**
 * Reads `at:deleted-entry` (RFC 6721) in Atom: children of the feed, or the root itself. Feedsmith ignores them.
 *
 * Quirk(Google): reports a deleted YouTube video as `at:deleted-entry`. We return it as an entry with `deleted: true`.
 *
 * @param xml the text from the start of the root
 */
export function readDeletedEntries(xml: string, outer: LinkBase): readonly DeletedEntry[] {
  const deletedEntries: DeletedEntry[] = [];
  let root: XmlElement | undefined;
  let entriesBefore = 0;
  /** The deleted entry being read, and its texts so far, by the names of their elements. */
  let deleted: XmlElement | undefined;
  let texts = new Map<string, string>();
  let links: NonNullable<RawDeletedEntry['links']> = [];
  const path: string[] = [];
  /** The field of the text being read; undefined when the text is ignored. */
  let textField: string | undefined;

  function begin(element: XmlElement): void {
    deleted = element;
    texts = new Map();
    links = [];
  }

  walkXml(xml, {
    open(element) {
      root ??= element;
      const localName = localNameOf(element);
      if (deleted !== undefined) {
        path.push(localName);
        textField = textFieldAt(path);
        if (path.length === 1 && localName === 'link') links.push(linkOf(element));
      } else if (element.depth <= 2 && localName === 'deleted-entry' && isDeletedEntry(element, root)) begin(element);
      else if (element.depth === 2 && localName === 'entry') entriesBefore += 1;
    },
    text(text) {
      if (textField !== undefined) texts.set(textField, (texts.get(textField) ?? '') + text);
    },
    close(element) {
      path.pop();
      textField = textFieldAt(path);
      if (element !== deleted) return;
      const base = innerBase(element.attributes.get('xml:base'), innerBase(root?.attributes.get('xml:base'), outer));
      deletedEntries.push({ entry: entryOf(toRawDeletedEntry(element, texts, links), base), entriesBefore });
      deleted = undefined;
    },
  });
  return deletedEntries;
}

/** Returns the field of the text at a path. Does not join the path: names may be long, and texts many. */
function textFieldAt([first, second, third]: readonly string[]): string | undefined {
  if (third !== undefined) return undefined;
  if (second === undefined) return first === 'comment' ? first : undefined;
  return first === 'by' && /^(?:name|uri|email)$/.test(second) ? `by ${second}` : undefined;
}

function toRawDeletedEntry(
  { attributes }: XmlElement,
  texts: ReadonlyMap<string, string>,
  links: NonNullable<RawDeletedEntry['links']>,
): RawDeletedEntry {
  const textOf = (path: string): string | undefined => nonEmpty(texts.get(path));
  const by = withoutUndefined({ name: textOf('by name'), uri: textOf('by uri'), email: textOf('by email') });
  return withoutUndefined({
    ref: nonEmpty(attributes.get('ref')),
    when: nonEmpty(attributes.get('when')),
    comment: textOf('comment'),
    by: Object.keys(by).length > 0 ? by : undefined,
    links: links.length > 0 ? links : undefined,
  });
}

function entryOf(raw: RawDeletedEntry, base: LinkBase): ParsedEntry {
  const { ref, when, by, links } = raw;
  return toParsedEntry({
    id: ref,
    url: alternateUrl(links, base),
    updated: readDate(when),
    deleted: true,
    youtube: deletedYoutubeVideo(ref ?? '', by?.uri),
    raw,
  });
}

function isDeletedEntry({ name, attributes }: XmlElement, root: XmlElement): boolean {
  const declaration = name.includes(':') ? `xmlns:${name.slice(0, name.indexOf(':'))}` : 'xmlns';
  return (attributes.get(declaration) ?? root.attributes.get(declaration))?.trim() === NAMESPACE;
}

function linkOf({ attributes }: XmlElement): NonNullable<RawDeletedEntry['links']>[number] {
  return withoutUndefined({ href: attributes.get('href'), rel: attributes.get('rel'), type: attributes.get('type') });
}

function localNameOf({ name }: XmlElement): string {
  return name.slice(name.indexOf(':') + 1);
}

function nonEmpty(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}
