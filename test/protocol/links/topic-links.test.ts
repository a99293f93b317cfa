import { expect, it } from 'vitest';
import { DocumentUrls } from '../../../src/protocol/links/document-urls.js';
import { topicLinks, LinkCollector } from '../../../src/protocol/links/topic-links.js';

const URL_OF_DOCUMENT = 'https://example.com/';

/** Reads links from pairs of relation and reference. */
function linksOf(links: Iterable<readonly [rel: string, href: string]>, url = URL_OF_DOCUMENT) {
  const collector = new LinkCollector();
  for (const [rel, href] of links) collector.add(rel, () => ({ href }));
  return topicLinks(collector.take(), new DocumentUrls(url));
}

const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index));

it('D6 the topic is kept as written, because hubs compare it as a string', () => {
  expect(linksOf([['self', ' https://example.com ']]).selfs).toEqual(['https://example.com']);
});

it('D6 a topic written in two ways is one topic', () => {
  const links = ['https://example.com', 'https://example.com/', '/'].map((href) => ['self', href] as const);
  expect(linksOf(links).selfs).toEqual(['https://example.com']);
});

it('D12 V10 links are compared after resolution, and with normalized percent-encoding', () => {
  const hrefs = ['/%7Ehub/%c3%a9', '/~hub/%C3%A9', 'https://EXAMPLE.com/%7ehub/%C3%a9', './~hub/é'];
  expect(linksOf(hrefs.map((href) => ['hub self', href] as const))).toEqual({
    hubs: ['https://example.com/%7Ehub/%c3%a9'],
    selfs: ['https://example.com/%7Ehub/%c3%a9'],
  });
});

it('D12 ten hubs and two self links are kept', () => {
  const links = times(30, (index) => ['hub self', `/${index}`] as const);
  expect(linksOf(links)).toEqual({
    hubs: times(10, (index) => `https://example.com/${index}`),
    hasMoreHubs: true,
    selfs: ['https://example.com/0', 'https://example.com/1'],
  });
  expect(linksOf(links.slice(0, 10))).not.toHaveProperty('hasMoreHubs');
});

it('D12 the first 1,000 links of relation hub, self or alternate are read', () => {
  for (const rel of ['hub', 'SELF', 'alternate', 'alternate stylesheet']) {
    const precedingLinks = times(999, () => [rel, 'mailto:nobody@example.com'] as const);
    expect(linksOf([...precedingLinks, ['hub', '/hub']]).hubs).toEqual(['https://example.com/hub']);
    expect(linksOf([...precedingLinks, [rel, 'mailto:x@example.com'], ['hub', '/hub']]).hubs).toEqual([]);
  }
  const otherLinks = times(5_000, () => ['stylesheet', '/style.css'] as const);
  expect(linksOf([...otherLinks, ['hub', '/hub']]).hubs).toEqual(['https://example.com/hub']);
});

it('D12 a resolved URL over 8 KiB is dropped', () => {
  const longUrl = `https://hub.example/${'a'.repeat(8_200)}`;
  expect(
    linksOf([
      ['hub self', longUrl],
      ['hub', '/hub'],
    ]),
  ).toEqual({ hubs: ['https://example.com/hub'], selfs: [] });
});
