import { describe, expect, test } from 'vitest';
import { DocumentUrls } from '../../../src/protocol/links/document-urls.js';
import { createXmlLinkReader } from '../../../src/protocol/links/xml-links.js';
import { elementsIn } from './counted-parser.js';

const url = 'https://example.com/feed.xml';
const ATOM = 'http://www.w3.org/2005/Atom';
const links = '<link rel="hub" href="https://hub.example/"/><link rel="self" href="/feed"/>';
const prefixedLinks = links.replaceAll('<link', '<a:link');
const expected = { hubs: ['https://hub.example/'], selfs: ['https://example.com/feed'] };

function read(xml: string) {
  const reader = createXmlLinkReader(new DocumentUrls(url));
  const isDone = reader.write(xml);
  return { isDone, ...reader.end() };
}

const atom = (content: string) => `<?xml version="1.0"?><feed xmlns="${ATOM}">${content}</feed>`;
const rss = (content: string) => `<rss xmlns:a="${ATOM}"><channel>${content}</channel></rss>`;

/** CPU time of `work`, in milliseconds. */
function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}

describe('D4 links in feeds', () => {
  test.each([
    ['Atom', atom(links)],
    ['Atom with a prefix', `<a:feed xmlns:a="${ATOM}">${prefixedLinks}</a:feed>`],
    ['Atom with a DOCTYPE and a comment', `<!DOCTYPE feed><!-- <link rel="hub" href="x"/> -->${atom(links)}`],
    ['RSS', rss(prefixedLinks)],
    ['RSS with the prefix bound at the channel', `<RSS><channel xmlns:a="${ATOM}">${prefixedLinks}</channel></RSS>`],
    ['RSS with the namespace on each link', rss(links.replaceAll('<link', `<link xmlns="${ATOM}"`))],
    ['RSS with items before the links', rss(`<item><title>x</title></item>${prefixedLinks}`)],
    ['RDF', `<rdf:RDF xmlns:a=" ${ATOM}\n"><x/><item/><channel>${prefixedLinks}</channel><item/></rdf:RDF>`],
    ['any other document', `<opml xmlns:a="${ATOM}">${prefixedLinks}</opml>`],
  ])('are found in %s', (_name, xml) => {
    expect(read(xml)).toMatchObject(expected);
  });

  test.each([
    ['of an entry', atom(`<entry>${links}</entry>`)],
    ["of an entry's source", atom(`<entry><source>${links}</source></entry>`)],
    ['of an author', atom(`<author>${links}</author>`)],
    ['of an item', rss(`<item>${prefixedLinks}</item>`)],
    ['of RSS outside the channel', `<rss xmlns:a="${ATOM}">${prefixedLinks}<channel/></rss>`],
    [
      'of RSS after the channel',
      `<rss xmlns:a="${ATOM}"><channel/>${prefixedLinks}<channel>${prefixedLinks}</channel></rss>`,
    ],
    ['of RDF outside the channel', `<rdf:RDF xmlns:a="${ATOM}"><channel/><item>${prefixedLinks}</item></rdf:RDF>`],
    ['in no namespace', `<feed>${links}</feed>`],
    ['of Atom 0.3', `<feed xmlns="http://purl.org/atom/ns#">${links}</feed>`],
    ['with a prefix that is not bound', `<rss><channel>${prefixedLinks}</channel></rss>`],
    ['with a prefix bound elsewhere only', rss(`<x xmlns:b="${ATOM}"/>${links.replaceAll('<link', '<b:link')}`)],
    [
      'with a prefix bound to something else',
      `<feed xmlns:a="${ATOM}" xmlns="x"><a:link xmlns:a="y" rel="hub" href="z"/></feed>`,
    ],
    ['in upper case', atom('<LINK rel="hub" href="https://hub.example/"/>')],
    ['without rel', atom('<link href="https://hub.example/"/>')],
    ['without href', atom('<link rel="hub"/>')],
    ['in CDATA', atom(`<![CDATA[${links}]]>`)],
    ['after the feed', `${atom('')}${atom(links)}`],
  ])('a link does not count %s', (_name, xml) => {
    expect(read(xml)).toMatchObject({ hubs: [], selfs: [] });
  });

  test('the xml:base of the feed, the channel and the link itself is respected', () => {
    const link = '<a:link xml:base="c/" rel="hub" href="hub"/><a:link xml:base="http://" rel="self" href=""/>';
    const xml = `<rss xmlns:a="${ATOM}" xml:base="https://base.example/a/"><channel xml:base="b/">${link}</channel></rss>`;
    expect(read(xml)).toMatchObject({
      hubs: ['https://base.example/a/b/c/hub'],
      selfs: ['https://base.example/a/b/'],
    });
  });

  test("a relation type may be IANA's URL", () => {
    const rel = 'http://www.iana.org/assignments/relation/self';
    expect(read(atom(`<link rel="${rel}" href="/feed"/>`)).selfs).toEqual(['https://example.com/feed']);
  });

  test('character references are decoded, other entities stay unchanged', () => {
    const bomb = '<!DOCTYPE feed [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>';
    const link = '<link rel="hub" href="https://hub.example/?a=1&amp;b=&#x32;&amp;c=&b;"/>';
    expect(read(bomb + atom(link)).hubs).toEqual(['https://hub.example/?a=1&b=2&c=&b;']);
  });

  test.each([
    ['the first entry', atom(`${links}<entry/>`).slice(0, -'</feed>'.length)],
    ['the first item', rss(`${prefixedLinks}<item>`).slice(0, -'</channel></rss>'.length)],
    ['the end of the channel', `<rss><channel></channel>`],
    ['the end of the feed', atom('')],
    ['elements nested without end', '<x>'.repeat(600)],
  ])('reading stops at %s', (_name, xml) => {
    expect(read(xml).isDone).toBe(true);
  });

  test('reading continues over entries while no hub is known', () => {
    const reader = createXmlLinkReader(new DocumentUrls(url));
    expect(reader.write(`<feed xmlns="${ATOM}"><link rel="self" href="/feed"/><entry></entry>`)).toBe(false);
    expect(reader.write('<link rel="hub" href="https://hub.example/"/><entry>')).toBe(true);
    expect(reader.write('<link rel="hub" href="https://evil.example/"/>')).toBe(true);
    expect(reader.end()).toEqual(expected);
  });

  test('a long feed with its links at the start costs a fraction of a feed read to its end', () => {
    const entries = '<entry><title>Hello</title></entry>'.repeat(150_000);
    const whole = atom(entries);
    const head = atom(links + entries);
    expect(elementsIn(() => read(head)) * 10).toBeLessThan(elementsIn(() => read(whole)));
  });

  test.each(['<item/>', '<x>', '<a:link rel="x" href="y"/>', '</x>', '&amp;', '<!--', '<x a="'])(
    'a feed of %s is read in time',
    (fragment) => {
      const feed = `<rss xmlns:a="${ATOM}"><channel>${'<a:link rel="x" href="y"/>'.repeat(50_000)}`;
      expect(cpuMs(() => read(feed + fragment.repeat(2_000_000 / fragment.length)))).toBeLessThan(5000);
    },
  );
});
