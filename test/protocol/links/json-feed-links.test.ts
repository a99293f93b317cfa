import { describe, expect, test } from 'vitest';
import { DocumentUrls } from '../../../src/protocol/links/document-urls.js';
import { createJsonFeedLinkReader } from '../../../src/protocol/links/json-feed-links.js';

const url = 'https://example.com/feed.json';

function read(...chunks: string[]) {
  const reader = createJsonFeedLinkReader(new DocumentUrls(url));
  for (const chunk of chunks) expect(reader.write(chunk)).toBe(false);
  return reader.end();
}

describe('D5 links in JSON Feed', () => {
  test('hubs of type WebSub, in any case, and feed_url are read', () => {
    const feed = JSON.stringify({
      version: 'https://jsonfeed.org/version/1.1',
      feed_url: '/topic.json',
      hubs: [
        { type: 'rssCloud', url: 'https://cloud.example/' },
        { type: 'WebSub', url: 'https://hub.example/' },
        { type: 'websub', url: '/hub' },
      ],
    });
    expect(read(feed.slice(0, 20), feed.slice(20))).toEqual({
      hubs: ['https://hub.example/', 'https://example.com/hub'],
      selfs: ['https://example.com/topic.json'],
    });
  });

  test.each([
    '',
    '{"hubs": [',
    'null',
    '[]',
    '"text"',
    '{"hubs": null, "feed_url": 1}',
    '{"hubs": {"type": "WebSub", "url": "https://hub.example/"}}',
    '{"hubs": [null, "x", {}, {"type": "WebSub"}, {"type": 1, "url": "https://hub.example/"}]}',
    '{"items": [{"hubs": [{"type": "WebSub", "url": "https://hub.example/"}]}]}',
  ])('no links are found in %s', (json) => {
    expect(read(json)).toEqual({ hubs: [], selfs: [] });
  });

  test.each(['\\"', '"', '{"', ', ', ',', '["items" ', '"items",', '\\'])(
    'a megabyte of %s is read quickly',
    (part) => {
      const feed = `{"a":"${part.repeat(1_000_000 / part.length)}`;
      const reader = createJsonFeedLinkReader(new DocumentUrls(url));
      const before = process.cpuUsage();
      for (let at = 0; at < feed.length; at += 2000) reader.write(feed.slice(at, at + 2000));
      expect(reader.end()).toEqual({ hubs: [], selfs: [] });
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
    },
  );

  describe('reading at `items`', () => {
    const head =
      '{"title": "items", "x": ["items", {"items": 1}], "hubs": [{"type":"WebSub","url":"/hub"}], "feed_url": "/a"';
    const expected = { hubs: ['https://example.com/hub'], selfs: ['https://example.com/a'] };

    test.each([1, 7, 1000])('stops once hub and topic are known, with chunks of %d characters', (size) => {
      const reader = createJsonFeedLinkReader(new DocumentUrls(url));
      const feed = `${head} , "items" : [`;
      let isDone = false;
      for (let at = 0; at < feed.length; at += size) isDone = reader.write(feed.slice(at, at + size));
      expect(isDone).toBe(true);
      expect(reader.write('garbage')).toBe(true);
      expect(reader.end()).toEqual(expected);
    });

    test('continues while the topic is unknown, because it may come after the items', () => {
      const [beforeSelf, self] = head.split(', "feed_url"');
      expect(read(`${beforeSelf}, "items": [{}], "feed_url"${self}}`)).toEqual(expected);
    });

    test('continues while hub and topic are unknown, and in broken JSON', () => {
      expect(read(`{"items": [{"a": "}"}], ${head.slice(1)}}`)).toEqual(expected);
      expect(read('{"a": [}, "items": [', ']}')).toEqual({ hubs: [], selfs: [] });
    });

    test('stops once hub and topic are known, even if the items come late', () => {
      const reader = createJsonFeedLinkReader(new DocumentUrls(url));
      expect(reader.write(`${head}, "x": "${'x'.repeat(70_000)}"`)).toBe(false);
      expect(reader.write(', "items": []}')).toBe(true);
      expect(reader.end()).toEqual(expected);
    });
  });
});
