import { describe, expect, test } from 'vitest';
import { readEntries, readFeed } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const XHTML = 'xmlns="http://www.w3.org/1999/xhtml"';

const feedOf = (content: string, attributes = ''): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" ${attributes}>${content}</feed>`;
const entryOf = (content: string) => readEntries(feedOf(`<entry><id>1</id>${content}</entry>`), TOPIC)[0];

test('RFC 4287 4.2.1 a feed says what it is', () => {
  const feed = readFeed(
    feedOf(
      `<id>urn:f</id><title type="html">A &lt;b>feed&lt;/b></title><updated>2026-01-02T03:04:05Z</updated>
       <link rel="self" href="feed"/><link href="/"/><author><name>Ann</name></author>`,
    ),
    TOPIC,
  );
  expect(feed).toEqual({
    format: 'atom',
    id: 'urn:f',
    title: 'A feed',
    url: 'https://topic.example/',
    updated: new Date('2026-01-02T03:04:05Z'),
    authors: [{ name: 'Ann' }],
    entries: [],
    raw: feed.raw,
  });
});

test('RFC 4287 4.1.2 an entry says what it is, what it does not say is absent', () => {
  const entry = entryOf(
    `<title>T</title><link href="e"/><published>2026-01-01T00:00:00+01:00</published><updated>nonsense</updated>
     <summary type="html">&lt;i>S&lt;/i></summary><content type="html">&lt;p>C&lt;/p></content>
     <author><name>Ann</name><uri>/ann</uri><email>ann@example.com</email></author>`,
  );
  expect(entry).toStrictEqual({
    id: '1',
    title: 'T',
    url: 'https://topic.example/blog/e',
    published: new Date('2025-12-31T23:00:00Z'),
    summary: '<i>S</i>',
    content: '<p>C</p>',
    authors: [{ name: 'Ann', url: 'https://topic.example/ann', email: 'ann@example.com' }],
    deleted: false,
    raw: entry?.raw,
  });
});

describe('RFC 4287 3.1 a title is text', () => {
  test.each([
    ['text', '<title>\n I &lt;3 &lt;b> &amp;amp; </title>', 'I <3 <b> &amp;'],
    ['text in a section', '<title><![CDATA[<b>]]></title>', '<b>'],
    ['HTML', '<title type="html">A &lt;b>b&lt;/b>c&lt;br>d &amp;amp; &amp;eacute;</title>', 'A bc d & é'],
    ['HTML by its media type', '<title type="text/html">&lt;b>b&lt;/b></title>', 'b'],
    ['XHTML', `<title type="xhtml"><div ${XHTML}>A &amp; <b>b</b></div></title>`, 'A & b'],
    ['nothing', '<title type="html">&lt;br></title>', undefined],
  ])('%s', (_what, title, text) => {
    expect(entryOf(title)?.title).toBe(text);
  });
});

describe('RFC 4287 4.2.7.2 where an entry is to be read', () => {
  test.each([
    ['a link without a relation', '<link href="https://a.example/ü"/>', 'https://a.example/%C3%BC'],
    [
      'the alternate one',
      '<link rel="edit" href="/edit"/><link rel="alternate" href="/a"/>',
      'https://topic.example/a',
    ],
    [
      'its relation as a URL',
      '<link rel="http://www.iana.org/assignments/relation/alternate" href="/a"/>',
      'https://topic.example/a',
    ],
    [
      'the one in HTML',
      '<link type="text/plain" href="/t"/><link type="text/html" href="/h"/>',
      'https://topic.example/h',
    ],
    ['in whatever there is', '<link type="text/plain" href="/t"/>', 'https://topic.example/t'],
    ['no link', '<link rel="self" href="/e.atom"/>', undefined],
    ['no address', '<link rel="alternate"/>', undefined],
    ['no URL', '<link href="https://"/>', undefined],
    ['code', '<link href="javascript:alert(1)"/>', undefined],
  ])('%s', (_what, links, url) => {
    expect(entryOf(links)?.url).toBe(url);
  });

  test('xml:base of entry and feed', () => {
    const entry = '<entry xml:base="y/"><id>1</id><link href="z"/></entry>';
    const [read] = readEntries(feedOf(entry, 'xml:base="/x/"'), TOPIC);
    expect(read?.url).toBe('https://topic.example/x/y/z');
  });
});

describe('RFC 4287 4.2.1 who wrote an entry', () => {
  const author = (name: string) => `<author><name>${name}</name></author>`;

  test.each([
    ['its author', `${author('entry')}<source>${author('source')}</source>`, 'entry'],
    ['that of its source', `<source>${author('source')}</source>`, 'source'],
    ['that of the feed', '', 'feed'],
  ])('%s', (_what, content, name) => {
    const text = feedOf(`${author('feed')}<entry><id>1</id>${content}</entry>`);
    expect(readEntries(text, TOPIC)[0]?.authors).toEqual([{ name }]);
  });
});

test('what is nested in an entry does not speak for it', () => {
  const nested = '<id>2</id><title>N</title><link href="/n"/><updated>2026-01-01T00:00:00Z</updated>';
  const entry = entryOf(
    `<x:object xmlns:x="http://activitystrea.ms/spec/1.0/">${nested}</x:object><source>${nested}</source>`,
  );
  expect(entry).toEqual({ id: '1', authors: [], deleted: false, raw: entry?.raw });
});

describe('an entry without an id is told by', () => {
  const idOf = (content: string) => readEntries(feedOf(`<entry>${content}</entry>`), TOPIC)[0]?.id;

  test('its URL', () => {
    expect(idOf('<link href="/e"/>')).toBe('https://topic.example/e');
  });

  test('itself', () => {
    const id = idOf('<title>T</title>');
    expect(id).toMatch(/^[\w-]{22}$/);
    expect([idOf('<title>T</title>'), idOf('<title>U</title>') === id]).toEqual([id, false]);
  });
});

describe("YouTube's namespace names", () => {
  const youtube = (content: string) =>
    readEntries(feedOf(`<entry>${content}</entry>`, 'xmlns:yt="http://www.youtube.com/xml/schemas/2015"'), TOPIC)[0]
      ?.youtube;

  test.each([
    ['video and channel', '<yt:videoId>v</yt:videoId><yt:channelId>c</yt:channelId>', { videoId: 'v', channelId: 'c' }],
    ['the video alone', '<yt:videoId>v</yt:videoId>', { videoId: 'v' }],
    ['no video', '<yt:channelId>c</yt:channelId>', undefined],
  ])('%s', (_what, content, expected) => {
    expect(youtube(content)).toEqual(expected);
  });
});
