import { expect, test } from 'vitest';
import { DiscoveredTopicCache } from '../../../src/delivery/fetch/discovered-topic-cache.js';
import type { TopicContent } from '../../../src/hub/discovery/fetch-topic.js';

const TOPIC = 'https://example.com/feed';
const MIB = 1024 * 1024;
const content = (bytes = 1): TopicContent => ({
  url: TOPIC,
  headers: [],
  body: new Uint8Array(bytes),
  validators: {},
});

test('content that was just read is returned once, and only for the same subscription and topic', () => {
  const cache = new DiscoveredTopicCache(() => 0);
  const cachedContent = content();
  cache.add('s', TOPIC, cachedContent);
  expect(cache.take('t', TOPIC)).toBeUndefined();
  expect(cache.take('s', TOPIC)).toBe(cachedContent);
  expect(cache.take('s', TOPIC)).toBeUndefined();
  cache.add('s', TOPIC, cachedContent);
  expect(cache.take('s', `${TOPIC}/other`)).toBeUndefined();
});

test.each([
  [60_000, true],
  [60_001, false],
  [-1, false],
])('content read %i ms ago is returned: %s', (age, isReturned) => {
  let now = 1_000_000;
  const cache = new DiscoveredTopicCache(() => now);
  cache.add('s', TOPIC, content());
  now += age;
  expect(cache.take('s', TOPIC) !== undefined).toBe(isReturned);
});

test('the cache holds at most 16 MiB, and the oldest content is dropped first', () => {
  const cache = new DiscoveredTopicCache(() => 0);
  for (const id of ['a', 'b', 'c']) cache.add(id, TOPIC, content(6 * MIB));
  expect(['a', 'b', 'c'].map((id) => cache.take(id, TOPIC)?.body.byteLength)).toEqual([undefined, 6 * MIB, 6 * MIB]);
  cache.add('d', TOPIC, content(17 * MIB));
  expect(cache.take('d', TOPIC)).toBeUndefined();
  cache.add('e', TOPIC, content(16 * MIB));
  expect(cache.take('e', TOPIC)).toBeDefined();
});
