import { expect, test } from 'vitest';
import { JustRead } from '../../../src/delivery/fetch/discovered-topic-cache.js';
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
  const read = new JustRead(() => 0);
  const kept = content();
  read.keep('s', TOPIC, kept);
  expect(read.take('t', TOPIC)).toBeUndefined();
  expect(read.take('s', TOPIC)).toBe(kept);
  expect(read.take('s', TOPIC)).toBeUndefined();
  read.keep('s', TOPIC, kept);
  expect(read.take('s', `${TOPIC}/other`)).toBeUndefined();
});

test.each([
  [60_000, true],
  [60_001, false],
  [-1, false],
])('what was read %i ms ago is handed out: %s', (age, isThere) => {
  let now = 1_000_000;
  const read = new JustRead(() => now);
  read.keep('s', TOPIC, content());
  now += age;
  expect(read.take('s', TOPIC) !== undefined).toBe(isThere);
});

test('16 MiB are kept at most: the oldest go first', () => {
  const read = new JustRead(() => 0);
  for (const id of ['a', 'b', 'c']) read.keep(id, TOPIC, content(6 * MIB));
  expect(['a', 'b', 'c'].map((id) => read.take(id, TOPIC)?.body.byteLength)).toEqual([undefined, 6 * MIB, 6 * MIB]);
  read.keep('d', TOPIC, content(17 * MIB));
  expect(read.take('d', TOPIC)).toBeUndefined();
  read.keep('e', TOPIC, content(16 * MIB));
  expect(read.take('e', TOPIC)).toBeDefined();
});
