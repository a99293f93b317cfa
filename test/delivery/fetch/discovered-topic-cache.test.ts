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

test('what was just read is handed out once, for its topic', () => {
  const read = new DiscoveredTopicCache(() => 0);
  const kept = content();
  read.add('s', TOPIC, kept);
  expect(read.take('t', TOPIC)).toBeUndefined();
  expect(read.take('s', TOPIC)).toBe(kept);
  expect(read.take('s', TOPIC)).toBeUndefined();
  read.add('s', TOPIC, kept);
  expect(read.take('s', `${TOPIC}/other`)).toBeUndefined();
});

test.each([
  [60_000, true],
  [60_001, false],
  [-1, false],
])('what was read %i ms ago is handed out: %s', (age, isThere) => {
  let now = 1_000_000;
  const read = new DiscoveredTopicCache(() => now);
  read.add('s', TOPIC, content());
  now += age;
  expect(read.take('s', TOPIC) !== undefined).toBe(isThere);
});

test('16 MiB are kept at most: the oldest go first', () => {
  const read = new DiscoveredTopicCache(() => 0);
  for (const id of ['a', 'b', 'c']) read.add(id, TOPIC, content(6 * MIB));
  expect(['a', 'b', 'c'].map((id) => read.take(id, TOPIC)?.body.byteLength)).toEqual([undefined, 6 * MIB, 6 * MIB]);
  read.add('d', TOPIC, content(17 * MIB));
  expect(read.take('d', TOPIC)).toBeUndefined();
  read.add('e', TOPIC, content(16 * MIB));
  expect(read.take('e', TOPIC)).toBeDefined();
});
