import { describe, expect, test } from 'vitest';
import { readEntries, readFeed } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const XHTML = 'xmlns="http://www.w3.org/1999/xhtml"';

const feedOf = (content: string, attributes = ''): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" ${attributes}>${content}</feed>`;
const entryOf = (content: string) => readEntries(feedOf(`<entry><id>1</id>${content}</entry>`), TOPIC)[0];

test("RFC 4287 4.2.1 a feed's fields are read", () => {
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

test("RFC 4287 4.1.2 an entry's fields are read, and missing fields are absent", () => {
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

describe('RFC 4287 3.1 a title is read as text from', () => {
  test.each([
    ['text', '<title>\n I &lt;3 &lt;b> &amp;amp; </title>', 'I <3 <b> &amp;'],
    ['text in a CDATA section', '<title><![CDATA[<b>]]></title>', '<b>'],
    ['HTML', '<title type="html">A &lt;b>b&lt;/b>c&lt;br>d &amp;amp; &amp;eacute;</title>', 'A bc d & é'],
    ['HTML by its media type', '<title type="text/html">&lt;b>b&lt;/b></title>', 'b'],
    ['XHTML', `<title type="xhtml"><div ${XHTML}>A &amp; <b>b</b></div></title>`, 'A & b'],
    ['HTML without text', '<title type="html">&lt;br></title>', undefined],
  ])('%s', (_name, title, text) => {
    expect(entryOf(title)?.title).toBe(text);
  });
});

describe('RFC 4287 4.2.7.2 the URL of an entry is', () => {
  test.each([
    ['a link without a relation', '<link href="https://a.example/ü"/>', 'https://a.example/%C3%BC'],
    [
      'the alternate link',
      '<link rel="edit" href="/edit"/><link rel="alternate" href="/a"/>',
      'https://topic.example/a',
    ],
    [
      'a link whose relation is a URL',
      '<link rel="http://www.iana.org/assignments/relation/alternate" href="/a"/>',
      'https://topic.example/a',
    ],
    [
      'the HTML link of several',
      '<link type="text/plain" href="/t"/><link type="text/html" href="/h"/>',
      'https://topic.example/h',
    ],
    ['a link of any other type', '<link type="text/plain" href="/t"/>', 'https://topic.example/t'],
    ['absent without an alternate link', '<link rel="self" href="/e.atom"/>', undefined],
    ['absent when the link has no address', '<link rel="alternate"/>', undefined],
    ['absent when the link is no URL', '<link href="https://"/>', undefined],
    ['absent when the link is code', '<link href="javascript:alert(1)"/>', undefined],
  ])('%s', (_name, links, url) => {
    expect(entryOf(links)?.url).toBe(url);
  });

  test('resolved with the xml:base of entry and feed', () => {
    const entry = '<entry xml:base="y/"><id>1</id><link href="z"/></entry>';
    const [read] = readEntries(feedOf(entry, 'xml:base="/x/"'), TOPIC);
    expect(read?.url).toBe('https://topic.example/x/y/z');
  });
});

describe('RFC 4287 4.2.1 the author of an entry is', () => {
  const author = (name: string) => `<author><name>${name}</name></author>`;

  test.each([
    ['its own author', `${author('entry')}<source>${author('source')}</source>`, 'entry'],
    ['the author of its source', `<source>${author('source')}</source>`, 'source'],
    ['the author of the feed', '', 'feed'],
  ])('%s', (_name, content, name) => {
    const text = feedOf(`${author('feed')}<entry><id>1</id>${content}</entry>`);
    expect(readEntries(text, TOPIC)[0]?.authors).toEqual([{ name }]);
  });
});

test("elements nested in an entry's content do not set its fields", () => {
  const nested = '<id>2</id><title>N</title><link href="/n"/><updated>2026-01-01T00:00:00Z</updated>';
  const entry = entryOf(
    `<x:object xmlns:x="http://activitystrea.ms/spec/1.0/">${nested}</x:object><source>${nested}</source>`,
  );
  expect(entry).toEqual({ id: '1', authors: [], deleted: false, raw: entry?.raw });
});

describe('an entry without an id is identified by', () => {
  const idOf = (content: string) => readEntries(feedOf(`<entry>${content}</entry>`), TOPIC)[0]?.id;

  test('its URL', () => {
    expect(idOf('<link href="/e"/>')).toBe('https://topic.example/e');
  });

  test('a digest of its content', () => {
    const id = idOf('<title>T</title>');
    expect(id).toMatch(/^[\w-]{22}$/);
    expect([idOf('<title>T</title>'), idOf('<title>U</title>') === id]).toEqual([id, false]);
  });
});

describe('the YouTube elements of an entry name', () => {
  const youtube = (content: string) =>
    readEntries(feedOf(`<entry>${content}</entry>`, 'xmlns:yt="http://www.youtube.com/xml/schemas/2015"'), TOPIC)[0]
      ?.youtube;

  test.each([
    ['video and channel', '<yt:videoId>v</yt:videoId><yt:channelId>c</yt:channelId>', { videoId: 'v', channelId: 'c' }],
    ['the video only', '<yt:videoId>v</yt:videoId>', { videoId: 'v' }],
    ['no video', '<yt:channelId>c</yt:channelId>', undefined],
  ])('%s', (_name, content, expected) => {
    expect(youtube(content)).toEqual(expected);
  });
});
