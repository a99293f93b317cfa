import { describe, expect, test } from 'vitest';
import { readEntries, readFeed } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const NAMESPACES = `xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:atom="http://www.w3.org/2005/Atom" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
  xmlns:dcterms="http://purl.org/dc/terms/" xmlns:media="http://search.yahoo.com/mrss/"`;

const feedOf = (content: string): string => `<rss version="2.0" ${NAMESPACES}><channel>${content}</channel></rss>`;
const itemOf = (content: string) => readEntries(feedOf(`<item>${content}</item>`), TOPIC)[0];

test("a feed's fields are read", () => {
  const feed = readFeed(
    feedOf(
      `<title>R&amp;amp;D</title><link>/home</link><atom:link rel="self" href="feed"/>
       <lastBuildDate>Sat, 07 Sep 2002 00:00:01 GMT</lastBuildDate><managingEditor>ed@example.com (Ed)</managingEditor>`,
    ),
    TOPIC,
  );
  expect(feed).toStrictEqual({
    format: 'rss',
    title: 'R&D',
    url: 'https://topic.example/home',
    updated: new Date('2002-09-07T00:00:01Z'),
    authors: [{ name: 'Ed', email: 'ed@example.com' }],
    entries: [],
    raw: feed.raw,
  });
});

test("an item's fields are read, and missing fields are absent", () => {
  const item = itemOf(
    `<guid isPermaLink="false">g</guid><title>T</title><link>e</link><pubDate>Sat, 07 Sep 2002 02:00:01 +0200</pubDate>
     <description>&lt;p>D&lt;/p></description><content:encoded><![CDATA[<p>C</p>]]></content:encoded>
     <dcterms:modified>2026-01-01T00:00:00Z</dcterms:modified><dc:creator>Ann</dc:creator>`,
  );
  expect(item).toStrictEqual({
    id: 'g',
    title: 'T',
    url: 'https://topic.example/blog/e',
    published: new Date('2002-09-07T00:00:01Z'),
    updated: new Date('2026-01-01T00:00:00Z'),
    summary: '<p>D</p>',
    content: '<p>C</p>',
    authors: [{ name: 'Ann' }],
    deleted: false,
    raw: item?.raw,
  });
});

describe('the URL of an item is', () => {
  test.each([
    ['its link', '<link>https://a.example/</link><guid>https://b.example/</guid>', 'https://a.example/'],
    ['a guid, which is a permalink unless it says otherwise', '<guid>https://b.example/</guid>', 'https://b.example/'],
    ['not a guid with isPermaLink="false"', '<guid isPermaLink="false">https://b.example/</guid>', undefined],
    ['not a guid that is no URL, even if marked as permalink', '<guid isPermaLink="true">b</guid>', undefined],
    ['an Atom link', '<guid>b</guid><atom:link href="/a"/>', 'https://topic.example/a'],
    ['not a link that is no URL', '<guid>b</guid><link>https://</link>', undefined],
    [
      'not a link of a nested element',
      '<guid>b</guid><media:group><link>https://a.example/</link></media:group>',
      undefined,
    ],
  ])('%s', (_name, content, url) => {
    expect(itemOf(content)?.url).toBe(url);
  });
});

describe('a title is read as text with', () => {
  test.each([
    ['references', '<title>a &amp; b &nbsp; &#99; &lt; 2</title>', 'a & b c < 2'],
    ['nested references', '<title>R&amp;amp;D</title>', 'R&D'],
    ['markup in references', '<title>&lt;b>a&lt;/b>b</title>', 'ab'],
    ['markup in a CDATA section', '<title><![CDATA[<p>a</p><p>b</p>]]></title>', 'a b'],
    ['an unescaped ampersand', '<title>AT&T</title>', 'AT&T'],
    ['only white space', '<title> </title>', undefined],
  ])('%s', (_name, title, text) => {
    expect(itemOf(`<guid>1</guid>${title}`)?.title).toBe(text);
  });
});

describe('the authors of an item come from', () => {
  test.each([
    ['author', '<author>ann@example.com (Ann)</author>', [{ name: 'Ann', email: 'ann@example.com' }]],
    ['dc:creator', '<dc:creator>Ann</dc:creator><dc:creator>Bob</dc:creator>', [{ name: 'Ann' }, { name: 'Bob' }]],
    ['atom:author', '<atom:author><atom:name>Ann</atom:name></atom:author>', [{ name: 'Ann' }]],
    ['itunes:author', '<itunes:author>Ann</itunes:author>', [{ name: 'Ann' }]],
    ['no element, so that the list is empty', '', []],
  ])('%s', (_name, content, authors) => {
    expect(itemOf(`<guid>1</guid>${content}`)?.authors).toEqual(authors);
  });
});

test('items keep document order', () => {
  const items = ['c', 'a', 'b', 'a'];
  const text = feedOf(items.map((guid) => `<item><guid>${guid}</guid></item>`).join(''));
  expect(readEntries(text, TOPIC).map(({ id }) => id)).toEqual(items);
});
