/** Returns a feed of about this many bytes that is expensive to read. */
export type HostileFeed = (bytes: number) => string;

const partsUpTo = (bytes: number, part: (index: number) => string): string => {
  const parts: string[] = [];
  for (let length = 0, index = 0; length < bytes; index += 1) {
    const next = part(index);
    parts.push(next);
    length += next.length;
  }
  return parts.join('');
};

const TOMBSTONES = 'xmlns:at="http://purl.org/atompub/tombstones/1.0"';
const atom = (content: string, attributes = ''): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" ${attributes}>${content}</feed>`;
const entry = (content: string): string => atom(`<entry><id>1</id>${content}</entry>`);
const rss = (content: string): string => `<rss version="2.0"><channel>${content}</channel></rss>`;
const json = (items: string): string =>
  `{"version":"https://jsonfeed.org/version/1.1","items":[${items}{"id":"last"}]}`;
const baseOf = (length: number): string => `xml:base="https://base.example/${'x'.repeat(length)}/"`;

/** Bytes per entry: large enough that a feed stays below the entry limit. */
const ENTRY_BYTES = 260;

export const hostileFeeds: Readonly<Record<string, HostileFeed>> = {
  'an ordinary feed': (bytes) =>
    atom(
      partsUpTo(
        bytes,
        (index) =>
          `<entry><id>urn:${index}</id><title type="html">Title ${index} &amp;amp; more</title><link href="/posts/${index}"/>` +
          `<updated>2026-01-01T00:00:00Z</updated><author><name>Ann</name></author><content type="html">&lt;p&gt;${'word '.repeat(60)}` +
          '&lt;/p&gt;</content></entry>',
      ),
    ),
  'a base of 50 kB': (bytes) =>
    atom(
      partsUpTo(bytes, (index) => `<entry><id>${index}</id><link href="${index}"/>${' '.repeat(200)}</entry>`),
      baseOf(50_000),
    ),
  'a base of 8 kB': (bytes) =>
    atom(
      partsUpTo(bytes, (index) => `<entry><id>${index}</id><link href="${index}"/>${' '.repeat(200)}</entry>`),
      baseOf(8_000),
    ),
  'as many entries as may be': (bytes) =>
    atom(partsUpTo(bytes, (index) => `<entry><id>${index}</id>${' '.repeat(ENTRY_BYTES - 40)}</entry>`)),
  'as many tombstones as may be': (bytes) =>
    atom(
      partsUpTo(
        bytes,
        (index) => `<at:deleted-entry ref="${index}">${' '.repeat(ENTRY_BYTES - 60)}</at:deleted-entry>`,
      ),
      TOMBSTONES,
    ),
  'an entry of many elements': (bytes) => entry(partsUpTo(bytes, (index) => `<category term="term-${index}"/>`)),
  'an item of many elements': (bytes) =>
    rss(`<item><guid>1</guid>${partsUpTo(bytes, (index) => `<category>${index}</category>`)}</item>`),
  'many authors for many entries': (bytes) =>
    atom(
      partsUpTo(bytes / 2, (index) => `<author><name>Author ${index}</name></author>`) +
        partsUpTo(bytes / 2, (index) => `<entry><id>${index}</id>${' '.repeat(ENTRY_BYTES / 2)}</entry>`),
    ),
  'many attributes': (bytes) => entry(partsUpTo(bytes, () => `<x ${partsUpTo(9_000, (index) => `a${index}="" `)}/>`)),
  'many namespaces': (bytes) =>
    atom(
      partsUpTo(bytes, (index) => `<entry xmlns:b="u"><id>${index}</id>${' '.repeat(ENTRY_BYTES)}</entry>`),
      partsUpTo(9_000, (index) => `xmlns:a${index}="u" `),
    ),
  'many references': (bytes) => entry(`<title type="html">${partsUpTo(bytes, () => '&amp;lt;')}</title>`),
  'many sections': (bytes) => entry(`<title>${partsUpTo(bytes, () => '<![CDATA[a]]>')}</title>`),
  'a long name with many texts in it': (bytes) =>
    atom(
      `<at:deleted-entry ref="1"><${'x'.repeat(bytes / 4)}>${partsUpTo(bytes / 2, () => '&lt;')}</${'x'.repeat(bytes / 4)}></at:deleted-entry>`,
      TOMBSTONES,
    ),
  'one long line': (bytes) => entry(`<title>${'x'.repeat(bytes)}</title>`),
  'too many entries': (bytes) => atom(partsUpTo(bytes, () => '<entry/>')),
  'too many elements': (bytes) => entry(partsUpTo(bytes, () => '<x/>')),
  'many items': (bytes) => json(partsUpTo(bytes, (index) => `{"id":"${index}","title":"${'x'.repeat(ENTRY_BYTES)}"},`)),
  'many numbers': (bytes) => json(`{"id":"1","numbers":[${partsUpTo(bytes, () => '1,')}1]},`),
  'many members': (bytes) => json(`{"id":"1",${partsUpTo(bytes, (index) => `"m${index}":1,`)}"n":1},`),
  'deep JSON': (bytes) => json(`{"id":"1","deep":${'['.repeat(500)}"${'x'.repeat(bytes)}"${']'.repeat(500)}},`),
};
