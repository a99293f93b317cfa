import { describe, expect, test } from 'vitest';
import { entryVersions } from '../../src/feed/entry-version.js';
import { readEntries } from '../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/';
const MIB = 2 ** 20;

const filled = (piece: string, bytes = MIB): string => piece.repeat(Math.ceil(bytes / piece.length));
const atom = (content: string): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>${content}</entry></feed>`;
const titled = (title: string): string => atom(`<title type="html">${title}</title>`);
const rss = (content: string): string =>
  `<rss version="2.0"><channel><item><guid>1</guid>${content}</item></channel></rss>`;
const json = (items: string): string => `{"version":"https://jsonfeed.org/version/1.1","items":${items}}`;

/** Each is ten times as long as the one it refers to. */
const LAUGHS = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map(
  (name, index) => `<!ENTITY ${name} "${`&${'abcdefgh'.charAt(index)};`.repeat(10)}">`,
);

describe('what is meant to exhaust the reader is read', () => {
  test.each([
    ['entities of entities', `<!DOCTYPE feed [<!ENTITY a "ha">${LAUGHS.join('')}]>${titled('&i;')}`],
    ['one long entity many times', `<!DOCTYPE feed [<!ENTITY a "${filled('x')}">]>${titled(filled('&a;'))}`],
    ['many references that are undone', titled(filled('&amp;lt;'))],
    ['many tags in a title', titled(filled('&lt;b>') + filled('&lt;/i>'))],
    ['many comments that do not end, in a title', titled(filled('&lt;!--'))],
    ['many quotes that do not end, in a title', titled(filled('&lt;a b="'))],
    ['much white space', titled(filled(' '))],
    ['one line of 10 MiB', titled(filled('x', 10 * MIB))],
    ['one attribute of 10 MiB', atom(`<link href="${filled('x', 10 * MIB)}"/>`)],
    ['many comments', filled('<!---->') + atom(filled('<!---->'))],
    ['many sections', atom(`<content type="xhtml"><div>${filled('<![CDATA[<![CDATA[]]>')}</div></content>`)],
    ['many instructions', atom(filled('<?x "?>'))],
    ['many spaces in a tag', atom(`<link ${filled(' ')} href="x"/>`)],
    ['a long date', atom(`<updated>${filled('1')}</updated>`)],
    ['an author of brackets', rss(`<author>${filled('(')}</author>`)],
    ['many authors of brackets', rss(filled(`<author>${'('.repeat(230)}</author>`))],
    ['an author of dots', rss(`<author>www${filled('.')} x</author>`)],
    ['a length of a list that cannot be', rss('<length>4294967296</length>')],
    ['a length of a list that fills the memory', atom('<author><length>99999999</length></author>')],
    ['JSON that is one string', json(`[{"id":"1","title":"${filled('\\\\', 10 * MIB)}"}]`)],
    ['JSON of nothing', json(`[${filled('null,')}{"id":"1"}]`)],
  ])('%s', (_what, text) => {
    const entries = readEntries(text, TOPIC);
    expect(entryVersions(entries)).toHaveLength(1);
    expect(entries[0]?.id).toBe('1');
  });

  test('an entity that is declared is not expanded, and no file read', () => {
    const doctype = '<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b SYSTEM "file:///etc/passwd">]>';
    expect(readEntries(`${doctype}${titled('&a; &b;')}`, TOPIC)[0]?.title).toBe('&a; &b;');
  });

  test('as many entries as there are', () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => `<entry><id>${index}</id></entry>`);
    const items = entries.map((_, index) => `<item rdf:about="${index}"><title>T</title></item>`);
    const contents = items.map((_, index) => `<rdf:li resource="${index}"/>`);
    const rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
      <channel><items><rdf:Seq>${contents.join('')}</rdf:Seq></items></channel>${items.join('')}</rdf:RDF>`;
    const feed = `<feed xmlns="http://www.w3.org/2005/Atom">${entries.join('')}</feed>`;
    expect([readEntries(feed, TOPIC).length, readEntries(rdf, TOPIC).length]).toEqual([10_000, 10_000]);
  });
});

describe('what is meant to exhaust the reader is refused', () => {
  test.each([
    ['XML nested deep', atom('<x>'.repeat(50_000) + '</x>'.repeat(50_000)), /nested more than/],
    ['XML nested deep without end', '<feed>'.repeat(50_000), /nested more than/],
    ['markup nested deep in a title', titled('<b>'.repeat(50_000) + '</b>'.repeat(50_000)), /nested more than/],
    ['XML nested less deep, but deeper than feedsmith bears', atom('<x>'.repeat(300) + '</x>'.repeat(300)), /nested/],
    ['JSON nested deep', json('['.repeat(50_000) + ']'.repeat(50_000)), /nested more than/],
    ['JSON nested deep without end', filled('[{"a":'), /nested more than/],
    ['10 MiB of <', filled('<', 10 * MIB), /no element/],
    ['10 MiB of < in a title', titled(filled('<', 10 * MIB)), /Broken XML/],
    [
      'a million attributes',
      atom(`<x ${Array.from({ length: 1e6 }, (_, index) => `a${index}=""`).join(' ')}/>`),
      /attributes/,
    ],
    ['a million elements', atom('<a/>'.repeat(1e6)), /elements/],
    ['many sections that do not end', titled(filled('<![CDATA[')), /Broken XML/],
    ['many comments that do not end', titled(filled('<!--')), /Broken XML/],
    ['a document type without end', `<!DOCTYPE feed [${filled('<!ENTITY a "b">', 10 * MIB)}`, /does not end/],
  ])('%s', (_what, text, message) => {
    expect(() => readEntries(text, TOPIC)).toThrow(SyntaxError);
    expect(() => readEntries(text, TOPIC)).toThrow(message);
  });
});
