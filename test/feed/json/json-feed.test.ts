import { describe, expect, test } from 'vitest';
import { readEntries, readFeed } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const version = 'https://jsonfeed.org/version/1.1';

const feedOf = (feed: object): string => JSON.stringify({ version, ...feed });
const itemOf = (item: object) => readEntries(feedOf({ items: [item] }), TOPIC)[0];

test("a feed's fields are read", () => {
  const feed = readFeed(
    feedOf({ title: ' A\n feed', feed_url: 'f', home_page_url: '/', authors: [{ name: 'Ann', url: '/ann' }] }),
    TOPIC,
  );
  expect(feed).toStrictEqual({
    format: 'json-feed',
    title: 'A feed',
    id: 'f',
    url: 'https://topic.example/',
    authors: [{ name: 'Ann', url: 'https://topic.example/ann' }],
    entries: [],
    raw: feed.raw,
  });
});

test("an item's fields are read, extensions included", () => {
  const item = {
    id: '1',
    url: 'e',
    external_url: 'https://elsewhere.example/',
    title: '1 < 2 <b>',
    content_html: '<p>C</p>',
    content_text: 'C',
    summary: 'S',
    date_published: '2026-01-01T00:00:00Z',
    date_modified: '2026-01-02T00:00:00Z',
    authors: [{ name: 'Ann' }],
    _mine: { likes: 1 },
  };
  expect(itemOf(item)).toStrictEqual({
    id: '1',
    url: 'https://topic.example/blog/e',
    title: '1 < 2 <b>',
    content: '<p>C</p>',
    summary: 'S',
    published: new Date('2026-01-01T00:00:00Z'),
    updated: new Date('2026-01-02T00:00:00Z'),
    authors: [{ name: 'Ann' }],
    deleted: false,
    raw: item,
  });
});

describe('an item', () => {
  test.each([
    ['has a numeric id as text', { id: 5 }, { id: '5' }],
    ['has its URL as id', { url: '/e' }, { id: 'https://topic.example/e' }],
    [
      'uses the external URL when it has no URL',
      { id: '1', external_url: 'https://e.example' },
      { url: 'https://e.example/' },
    ],
    ['has its text as content when it has no HTML', { id: '1', content_text: 'C' }, { content: 'C' }],
    ['has the single author of version 1.0', { id: '1', author: { name: 'Ann' } }, { authors: [{ name: 'Ann' }] }],
  ])('%s', (_name, item, expected) => {
    expect(itemOf(item)).toMatchObject(expected);
  });

  test('has the authors of the feed when it names none', () => {
    const text = feedOf({
      author: { name: 'Ann' },
      items: [
        { id: '1', authors: [] },
        { id: '2', author: { name: 'Bob' } },
      ],
    });
    expect(readEntries(text, TOPIC).map(({ authors }) => authors)).toEqual([[{ name: 'Ann' }], [{ name: 'Bob' }]]);
  });

  test('ignores values of the wrong type', () => {
    const wrongItem = {
      id: {},
      url: 1,
      title: [],
      date_published: 5,
      authors: 'Ann',
      author: [null],
      summary: true,
      tags: 7,
    };
    const item = itemOf(wrongItem);
    expect(item).toEqual({ id: item?.id, authors: [], deleted: false, raw: wrongItem });
    expect(item?.id).toMatch(/^[\w-]{22}$/);
  });
});

test('an item that is not an object is skipped', () => {
  const items = [null, 1, 'x', [], { id: '1' }, true];
  expect(readEntries(feedOf({ items }), TOPIC).map(({ id }) => id)).toEqual(['1']);
});

test.each([[{ length: 4_294_967_295 }], ['x'], [null]])('items that are not a list but %j are ignored', (items) => {
  expect(readEntries(feedOf({ items }), TOPIC)).toEqual([]);
});
