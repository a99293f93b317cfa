import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createDocumentLinkReader } from '../../../src/protocol/links/document-links.js';
import { DocumentUrls, MAX_URL_LENGTH } from '../../../src/protocol/links/document-urls.js';
import { linksFromHeaders } from '../../../src/protocol/links/link-header.js';

const URL_OF_DOCUMENT = 'https://example.com/blog/';
const ATOM = 'http://www.w3.org/2005/Atom';

/** Reads a document in chunks, like from a socket. */
function read(text: string, url = URL_OF_DOCUMENT) {
  const reader = createDocumentLinkReader({ url });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 65_536) if (reader.write(bytes.subarray(at, at + 65_536))) break;
  return reader.end();
}

const times = (count: number, part: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => part(index)).join('');

interface Format {
  readonly hubs: (count: number, href: (index: number) => string, rel?: string) => string;
  /** A document that sets a base, if the format allows it. */
  readonly withBase?: (base: string) => string;
}

const FORMATS: Readonly<Record<string, Format>> = {
  html: {
    hubs: (count, href, rel = 'hub') => times(count, (index) => `<link rel="${rel}" href="${href(index)}">`),
    withBase: (base) => `<base href="${base}"><link rel=hub href=hub><link rel=self href=self>`,
  },
  atom: {
    hubs: (count, href, rel = 'hub') =>
      `<feed xmlns="${ATOM}">${times(count, (index) => `<link rel="${rel}" href="${href(index)}"/>`)}</feed>`,
    withBase: (base) =>
      `<feed xmlns="${ATOM}" xml:base="${base}"><link rel="hub" href="hub"/><link rel="self" href="self"/></feed>`,
  },
  rss: {
    hubs: (count, href, rel = 'hub') =>
      `<rss xmlns:a="${ATOM}"><channel>${times(count, (index) => `<a:link rel="${rel}" href="${href(index)}"/>`)}</channel></rss>`,
    withBase: (base) =>
      `<rss xmlns:a="${ATOM}"><channel><a:link rel="hub" xml:base="${base}" href="hub"/><a:link rel="self" xml:base="${base}" href="self"/></channel></rss>`,
  },
  'JSON Feed': {
    hubs: (count, href) =>
      `{"hubs":[${times(count, (index) => `${index === 0 ? '' : ','}{"type":"WebSub","url":"${href(index)}"}`)}]}`,
  },
};

describe.each(Object.entries(FORMATS))('D12 bounds of links in %s', (_name, { hubs, withBase }) => {
  test('at most 1,000 links are resolved', () => {
    const resolveSpy = vi.spyOn(DocumentUrls.prototype, 'resolve');
    onTestFinished(() => resolveSpy.mockRestore());
    expect(read(hubs(20_000, () => 'http://['))).toMatchObject({ hubs: [] });
    // One for the check whether there is a hub, and one to collect it.
    expect(resolveSpy.mock.calls.length).toBeLessThanOrEqual(2_000);
    resolveSpy.mockClear();
    expect(read(hubs(20_000, () => 'https://hub.example/'))).toMatchObject({ hubs: ['https://hub.example/'] });
    expect(resolveSpy.mock.calls.length).toBeLessThanOrEqual(1_001);
  });

  test('the first 1,000 links are read, and ten distinct links are kept', () => {
    const hrefAt = (index: number): string => (index < 999 ? 'mailto:nobody@example.com' : `/${index}`);
    expect(read(hubs(1_100, hrefAt)).hubs).toEqual(['https://example.com/999']);
    const links = read(hubs(500, (index) => (index % 2 === 0 ? `/%7e${index % 40}` : `/~${(index - 1) % 40}`)));
    expect(links.hubs).toEqual(Array.from({ length: 10 }, (_, index) => `https://example.com/%7e${index * 2}`));
    expect(links.hasMoreHubs).toBe(true);
  });

  test('URLs over 8 KiB are dropped', () => {
    const longPath = `/${'a'.repeat(MAX_URL_LENGTH)}`;
    expect(read(hubs(2, (index) => (index === 0 ? longPath : '/hub'))).hubs).toEqual(['https://example.com/hub']);
    expect(() =>
      read(
        hubs(1, () => '/hub'),
        `https://example.com${longPath}`,
      ),
    ).toThrow(RangeError);
  });

  test.skipIf(withBase === undefined)('a base over 8 KiB is ignored', () => {
    const base = `https://other.example/${'a'.repeat(100_000)}/`;
    expect(read(withBase?.(base) ?? '')).toMatchObject({
      hubs: [`${URL_OF_DOCUMENT}hub`],
      selfs: [`${URL_OF_DOCUMENT}self`],
    });
    expect(read(withBase?.('https://other.example/') ?? '').hubs).toEqual(['https://other.example/hub']);
  });
});

describe('D12 bounds of feeds', () => {
  const link = '<link rel="hub" href="https://hub.example/"/>';

  test('500,000 elements are read', () => {
    // Includes the feed and the link.
    const feed = (count: number): string => `<feed xmlns="${ATOM}">${'<a/>'.repeat(count)}${link}</feed>`;
    expect(read(feed(499_998))).toMatchObject({ hubs: ['https://hub.example/'] });
    expect(read(feed(499_998))).not.toHaveProperty('cutAt');
    expect(read(feed(499_999))).toMatchObject({ hubs: [], cutAt: '500000 elements' });
  });

  test('50,000 entries are read, in a JSON Feed as well', () => {
    const feed = (count: number): string => `<feed xmlns="${ATOM}">${'<entry/>'.repeat(count)}${link}</feed>`;
    expect(read(feed(50_000))).toMatchObject({ hubs: ['https://hub.example/'] });
    expect(read(feed(50_001))).toMatchObject({ hubs: [], cutAt: '50000 entries' });
    const json = (count: number): string =>
      `{"items":[${'{"id":"1"},'.repeat(count - 1)}{}],"hubs":[{"type":"WebSub","url":"https://hub.example/"}]}`;
    expect(read(json(50_000))).toMatchObject({ hubs: ['https://hub.example/'] });
    expect(read(json(50_001))).toMatchObject({ hubs: [], cutAt: '50000 entries' });
  });
});

describe('D12 long values are not built', () => {
  test('the relevant attributes are kept among 100,000 others', () => {
    const padding = times(100_000, (index) => `a${index} `);
    expect(read(`<link ${padding} rel=hub href=/hub>`).hubs).toEqual(['https://example.com/hub']);
    const feed = `<rss xmlns:a="${ATOM}" ${padding}><channel ${padding}><a:link ${padding} rel="hub" href="/hub"/>`;
    expect(read(feed).hubs).toEqual(['https://example.com/hub']);
  });

  test('20,000 namespaces on the root do not slow down the reading of its 60,000 elements', () => {
    const before = process.cpuUsage();
    const root = `<rss ${times(20_000, (index) => `xmlns:b${index}="u" `)} xmlns:a="${ATOM}">`;
    const channel = `<channel>${'<x xmlns:c="u"/>'.repeat(60_000)}<a:link rel="hub" href="/hub"/></channel></rss>`;
    expect(read(root + channel).hubs).toEqual(['https://example.com/hub']);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
  });
});

describe('D12 a link at the end of a document that was cut off', () => {
  test.each([
    ['does not count in Atom if its tag is cut off', `<feed xmlns="${ATOM}"><link rel="hub" href="/hub"`, []],
    ['does not count in Atom if a value is cut off', `<feed xmlns="${ATOM}"><link rel="hub" href="/hub`, []],
    [
      'counts in Atom if its tag is complete',
      `<feed xmlns="${ATOM}"><link rel="hub" href="/hub">`,
      ['https://example.com/hub'],
    ],
    ['does not count in HTML if its tag is cut off', '<link rel=hub href=/hub', []],
    ['counts in HTML if its tag is complete', '<link rel=hub href=/hub>', ['https://example.com/hub']],
  ])('%s', (_name, text, hubs) => {
    expect(read(text).hubs).toEqual(hubs);
  });
});

test('D12 Link headers have the same bounds', () => {
  const resolveSpy = vi.spyOn(DocumentUrls.prototype, 'resolve');
  onTestFinished(() => resolveSpy.mockRestore());
  linksFromHeaders(['<http://[>; rel="hub self", '.repeat(20_000)], URL_OF_DOCUMENT);
  expect(resolveSpy.mock.calls.length).toBeLessThanOrEqual(1_000);
  resolveSpy.mockClear();
  linksFromHeaders(['<a>; rel=hub; anchor=b, '.repeat(20_000)], `https://example.com/${'a'.repeat(8_000)}`);
  expect(resolveSpy.mock.calls.length).toBeLessThanOrEqual(1_001);
});
