import { expect, test } from 'vitest';
import { readFeed } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';

const feedOf = (content: string): string =>
  `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/">${content}</rdf:RDF>`;

test('RSS 1.0 fields of feed and items are read', () => {
  const feed = readFeed(
    feedOf(
      `<channel rdf:about="c"><title>C</title><link>/</link><dc:date>2026-01-01</dc:date><dc:creator>Cy</dc:creator></channel>
       <item rdf:about="i"><title>T</title><link>e</link><description>D</description><dc:date>2026-01-02</dc:date></item>`,
    ),
    TOPIC,
  );
  const [item] = feed.entries;
  expect(feed).toStrictEqual({
    format: 'rdf',
    id: 'c',
    title: 'C',
    url: 'https://topic.example/',
    updated: new Date('2026-01-01'),
    authors: [{ name: 'Cy' }],
    entries: [
      {
        id: 'i',
        title: 'T',
        url: 'https://topic.example/blog/e',
        published: new Date('2026-01-02'),
        summary: 'D',
        authors: [],
        deleted: false,
        raw: item?.raw,
      },
    ],
    raw: feed.raw,
  });
});

test('RSS 1.0 items keep document order, including items missing from the table of contents', () => {
  const contents = '<items><rdf:Seq><rdf:li rdf:resource="b"/><rdf:li resource="a"/></rdf:Seq></items>';
  const items = ['a', 'b', 'c', 'a'].map((about) => `<item rdf:about="${about}"><title>T</title></item>`).join('');
  const { entries } = readFeed(feedOf(`<channel rdf:about="f">${contents}</channel>${items}`), TOPIC);
  expect(entries.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'a']);
});
