import { describe, expect, test } from 'vitest';
import { entryVersions } from '../../src/feed/entry/entry-version.js';
import { MAX_ENTRIES } from '../../src/protocol/links/link-reader.js';
import { readEntries } from '../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/';
const MIB = 2 ** 20;

const repeatToSize = (fragment: string, bytes = MIB): string => fragment.repeat(Math.ceil(bytes / fragment.length));
const atom = (content: string): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>${content}</entry></feed>`;
const atomWithTitle = (title: string): string => atom(`<title type="html">${title}</title>`);
const rss = (content: string): string =>
  `<rss version="2.0"><channel><item><guid>1</guid>${content}</item></channel></rss>`;
const json = (items: string): string => `{"version":"https://jsonfeed.org/version/1.1","items":${items}}`;

/** Each entity is ten times as long as the one it refers to. */
const LAUGHS = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map(
  (name, index) => `<!ENTITY ${name} "${`&${'abcdefgh'.charAt(index)};`.repeat(10)}">`,
);

describe('a document built to exhaust the reader is read', () => {
  test.each([
    ['nested entities', `<!DOCTYPE feed [<!ENTITY a "ha">${LAUGHS.join('')}]>${atomWithTitle('&i;')}`],
    [
      'one long entity many times',
      `<!DOCTYPE feed [<!ENTITY a "${repeatToSize('x')}">]>${atomWithTitle(repeatToSize('&a;'))}`,
    ],
    ['many references to decode', atomWithTitle(repeatToSize('&amp;lt;'))],
    ['many tags in a title', atomWithTitle(repeatToSize('&lt;b>') + repeatToSize('&lt;/i>'))],
    ['many unclosed comments in a title', atomWithTitle(repeatToSize('&lt;!--'))],
    ['many unclosed quotes in a title', atomWithTitle(repeatToSize('&lt;a b="'))],
    ['much white space', atomWithTitle(repeatToSize(' '))],
    ['one line of 10 MiB', atomWithTitle(repeatToSize('x', 10 * MIB))],
    ['one attribute of 10 MiB', atom(`<link href="${repeatToSize('x', 10 * MIB)}"/>`)],
    ['many comments', repeatToSize('<!---->') + atom(repeatToSize('<!---->'))],
    [
      'many CDATA sections',
      atom(`<content type="xhtml"><div>${repeatToSize('<![CDATA[<![CDATA[]]>')}</div></content>`),
    ],
    ['many processing instructions', atom(repeatToSize('<?x "?>'))],
    ['many spaces in a tag', atom(`<link ${repeatToSize(' ')} href="x"/>`)],
    ['a long date', atom(`<updated>${repeatToSize('1')}</updated>`)],
    ['an author of brackets', rss(`<author>${repeatToSize('(')}</author>`)],
    ['many authors of brackets', rss(repeatToSize(`<author>${'('.repeat(230)}</author>`))],
    ['an author of dots', rss(`<author>www${repeatToSize('.')} x</author>`)],
    ['an impossible list length', rss('<length>4294967296</length>')],
    ['a list length that would fill the memory', atom('<author><length>99999999</length></author>')],
    ['JSON that is one string', json(`[{"id":"1","title":"${repeatToSize('\\\\', 10 * MIB)}"}]`)],
    ['JSON of nulls', json(`[${repeatToSize('null,')}{"id":"1"}]`)],
  ])('%s', (_name, text) => {
    const entries = readEntries(text, TOPIC);
    expect(entryVersions(entries, 's')).toHaveLength(1);
    expect(entries[0]?.id).toBe('1');
  });

  test('a declared entity is not expanded, and no file is read', () => {
    const doctype = '<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b SYSTEM "file:///etc/passwd">]>';
    expect(readEntries(`${doctype}${atomWithTitle('&a; &b;')}`, TOPIC)[0]?.title).toBe('&a; &b;');
  });

  test('10,000 entries are read', () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => `<entry><id>${index}</id></entry>`);
    const items = entries.map((_, index) => `<item rdf:about="${index}"><title>T</title></item>`);
    const contents = items.map((_, index) => `<rdf:li resource="${index}"/>`);
    const rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
      <channel><items><rdf:Seq>${contents.join('')}</rdf:Seq></items></channel>${items.join('')}</rdf:RDF>`;
    const feed = `<feed xmlns="http://www.w3.org/2005/Atom">${entries.join('')}</feed>`;
    expect([readEntries(feed, TOPIC).length, readEntries(rdf, TOPIC).length]).toEqual([10_000, 10_000]);
  });
});

describe('a document built to exhaust the reader is refused', () => {
  test.each([
    ['10 MiB of <', repeatToSize('<', 10 * MIB), /without an element/],
    ['10 MiB of < in a title', atomWithTitle(repeatToSize('<', 10 * MIB)), /Malformed XML/],
    ['many unclosed CDATA sections', atomWithTitle(repeatToSize('<![CDATA[')), /Malformed XML/],
    ['many unclosed comments', atomWithTitle(repeatToSize('<!--')), /Malformed XML/],
    ['an unclosed document type', `<!DOCTYPE feed [${repeatToSize('<!ENTITY a "b">', 10 * MIB)}`, /is not closed/],
    ['a root with a long name', `<${repeatToSize('x')}/>`, /root element <x/],
    ['long names that do not match', `<feed><${repeatToSize('x')}></${repeatToSize('y')}></feed>`, /closes <x/],
  ])('%s', (_name, text, message) => {
    const read = (): unknown => readEntries(text, TOPIC);
    expect(read).toThrow(SyntaxError);
    expect(read).toThrow(message);
    // Messages are logged, so they must stay short.
    expect(read).toThrow(/^[^]{1,400}$/);
  });
});

describe('D12 a document over a limit causes a RangeError', () => {
  test.each([
    ['deeply nested XML', atom('<x>'.repeat(50_000) + '</x>'.repeat(50_000)), /nested more than/],
    ['deeply nested XML without end tags', '<feed>'.repeat(50_000), /nested more than/],
    [
      'deeply nested markup in a title',
      atomWithTitle('<b>'.repeat(50_000) + '</b>'.repeat(50_000)),
      /nested more than/,
    ],
    ['XML nested too deeply for feedsmith', atom('<x>'.repeat(300) + '</x>'.repeat(300)), /nested/],
    ['deeply nested JSON', json('['.repeat(50_000) + ']'.repeat(50_000)), /nested more than/],
    ['deeply nested JSON that does not end', repeatToSize('[{"a":'), /nested more than/],
    [
      'a million attributes',
      atom(`<x ${Array.from({ length: 1e6 }, (_, index) => `a${index}=""`).join(' ')}/>`),
      /attributes/,
    ],
    ['the same attribute a million times', atom(`<x ${'a="" '.repeat(1e6)}/>`), /attributes/],
    ['a million elements', atom('<a/>'.repeat(1e6)), /more than 500000 elements/],
    ['a million processing instructions', atom('<?a?>'.repeat(1e6)), /more than 500000 elements/],
    ['a million arrays in JSON', json(`[{"a":[${'[],'.repeat(1e6)}1]}]`), /more than 500000 values/],
    ['a million numbers in JSON', json(`[{"a":[${'1,'.repeat(1e6)}1]}]`), /more than 500000 values/],
    ['too many entries', atom('<entry/>'.repeat(MAX_ENTRIES)), /more than 50000 entries/],
    ['too many items', rss(`</item>${'<item/>'.repeat(MAX_ENTRIES)}<item>`), /more than 50000 entries/],
    ['too many items in RDF', `<RDF>${'<item/>'.repeat(MAX_ENTRIES + 1)}</RDF>`, /more than 50000 entries/],
    ['too many tombstones', `<feed>${'<deleted-entry/>'.repeat(MAX_ENTRIES + 1)}</feed>`, /more than 50000 entries/],
    ['too many items in JSON', json(`[${'{},'.repeat(MAX_ENTRIES)}{}]`), /more than 50000 entries/],
  ])('%s', (_name, text, message) => {
    const read = (): unknown => readEntries(text, TOPIC);
    expect(read).toThrow(RangeError);
    expect(read).toThrow(message);
  });

  test('the maximum number of entries is read', () => {
    const items = Array.from({ length: MAX_ENTRIES }, (_, id) => `{"id":"${id}"}`);
    expect(readEntries(json(`[${items.join()}]`), TOPIC)).toHaveLength(MAX_ENTRIES);
  });

  test('a document whose own URL is over 8 KiB', () => {
    const read = (): unknown => readEntries(atom(''), TOPIC + repeatToSize('x', 8192));
    expect(read).toThrow(RangeError);
    expect(read).toThrow(/URL of the document/);
  });
});

describe('D12 the URLs of a document are limited', () => {
  const ns = 'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0"';
  const link = '<link href="a"/>';
  const rdfNs = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"';
  /** Feeds of `count` entries with a relative link each, under one base. */
  const feeds: readonly (readonly [string, (base: string, count: number) => string])[] = [
    ['Atom', (base, count) => `<feed ${ns} xml:base="${base}">${`<entry>${link}</entry>`.repeat(count)}</feed>`],
    [
      'authors',
      (base, count) =>
        `<feed ${ns} xml:base="${base}">${`<entry>${link}<author><uri>a</uri></author></entry>`.repeat(count)}</feed>`,
    ],
    [
      'RSS',
      (base, count) =>
        `<rss xml:base="${base}"><channel>${'<item><link>a</link></item>'.repeat(count)}</channel></rss>`,
    ],
    [
      'RDF',
      (base, count) =>
        `<rdf:RDF ${rdfNs} xml:base="${base}"><channel/>${'<item><link>a</link></item>'.repeat(count)}</rdf:RDF>`,
    ],
    [
      'tombstones',
      (base, count) =>
        `<feed ${ns} xml:base="${base}">${`<at:deleted-entry>${link}</at:deleted-entry>`.repeat(count)}</feed>`,
    ],
    [
      'bases of entries',
      (base, count) => `<feed ${ns} xml:base="${base}">${`<entry xml:base="b/">${link}</entry>`.repeat(count)}</feed>`,
    ],
  ];
  const urlsOf = (text: string): readonly string[] =>
    readEntries(text, TOPIC).flatMap(({ url, authors }) =>
      [url, ...authors.map((author) => author.url)].flatMap((link) => link ?? []),
    );

  test.each(feeds)('a base URL of 50 kB is ignored (%s)', (_name, feed) => {
    const urls = urlsOf(feed(`https://b.example/${'x'.repeat(50_000)}/`, 1_000));
    expect(urls.length).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...urls.map(({ length }) => length))).toBeLessThan(40);
  });

  test.each(feeds)('all URLs together have at most 16 MiB (%s)', (_name, feed) => {
    const lengths = urlsOf(feed(`https://b.example/${'x'.repeat(8_000)}/`, 3_000)).map(({ length }) => length);
    const sum = lengths.reduce((total, length) => total + length, 0);
    expect(sum).toBeGreaterThan(7 * MIB);
    expect(sum).toBeLessThanOrEqual(16 * MIB);
  });

  test('a JSON Feed link over 8 KiB is dropped', () => {
    const [item] = readEntries(json(JSON.stringify([{ id: '1', url: repeatToSize('x', 8193) }])), TOPIC);
    expect(item).toMatchObject({ id: '1' });
    expect(item?.url).toBeUndefined();
  });
});

describe('D12 the copies of shared authors are limited', () => {
  test.each([
    [
      'Atom',
      `<feed xmlns="http://www.w3.org/2005/Atom">${'<author><name>Ann</name></author>'.repeat(1_000)}${'<entry/>'.repeat(10)}${'<entry><id>1</id></entry>'.repeat(1_000)}</feed>`,
    ],
    [
      'JSON Feed',
      JSON.stringify({
        version: 'https://jsonfeed.org/version/1.1',
        authors: Array.from({ length: 1_000 }, () => ({ name: 'Ann' })),
        items: Array.from({ length: 1_000 }, () => ({ id: '1' })),
      }),
    ],
  ])('in %s with a thousand authors and a thousand entries', (_name, text) => {
    const entries = readEntries(text, TOPIC);
    const authors = entries.reduce((sum, entry) => sum + entry.authors.length, 0);
    expect(entries).toHaveLength(1_000);
    expect(entries[0]?.authors).toHaveLength(1_000);
    expect(authors).toBeLessThan(300_000);
  });
});

test('an element with a long name and 100,000 texts takes less than a second of processor time', () => {
  const name = 'x'.repeat(MIB);
  const text = `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">
    <at:deleted-entry ref="1"><${name}>${'&lt;'.repeat(100_000)}</${name}></at:deleted-entry></feed>`;
  const before = process.cpuUsage();
  const entries = readEntries(text, TOPIC);
  const { user, system } = process.cpuUsage(before);
  expect(entries).toMatchObject([{ id: '1', deleted: true }]);
  expect((user + system) / 1_000).toBeLessThan(1_000);
});
