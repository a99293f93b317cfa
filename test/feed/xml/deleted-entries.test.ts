import { describe, expect, test } from 'vitest';
import { readEntries } from '../../../src/feed/read-feed.js';

const TOPIC = 'https://topic.example/blog/feed';
const TOMBSTONES = 'http://purl.org/atompub/tombstones/1.0';

const feedOf = (content: string): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="${TOMBSTONES}" xml:base="/x/">${content}</feed>`;

test("RFC 6721 3 a deleted entry's fields are read", () => {
  const text = feedOf(
    `<at:deleted-entry ref="yt:video:V&amp;W" when="2026-01-01T00:00:00Z"><link href="e"/><at:comment>gone &amp; lost</at:comment>
       <at:by><name>Ann</name><uri>https://www.youtube.com/channel/C</uri><x><name>Bob</name></x></at:by></at:deleted-entry>`,
  );
  expect(readEntries(text, TOPIC)).toStrictEqual([
    {
      id: 'yt:video:V&W',
      url: 'https://topic.example/x/e',
      updated: new Date('2026-01-01T00:00:00Z'),
      deleted: true,
      authors: [],
      youtube: { videoId: 'V&W', channelId: 'C' },
      raw: {
        ref: 'yt:video:V&W',
        when: '2026-01-01T00:00:00Z',
        comment: 'gone & lost',
        by: { name: 'Ann', uri: 'https://www.youtube.com/channel/C' },
        links: [{ href: 'e' }],
      },
    },
  ]);
});

test('deleted entries keep their place in the document', () => {
  const text = feedOf(
    `<at:deleted-entry ref="1"/><entry><id>2</id></entry><title>T</title><entry><id>3</id></entry>
     <at:deleted-entry ref="4"><content>x</content></at:deleted-entry><at:deleted-entry ref="5"/><entry><id>6</id></entry>`,
  );
  expect(readEntries(text, TOPIC).map(({ id, deleted }) => [id, deleted])).toEqual([
    ['1', true],
    ['2', false],
    ['3', false],
    ['4', true],
    ['5', true],
    ['6', false],
  ]);
});

describe('a deleted entry is recognized by its namespace', () => {
  test.each([
    ['with any prefix', feedOf(`<x:deleted-entry xmlns:x="${TOMBSTONES}" ref="1"/>`), 1],
    ['without a prefix', feedOf(`<deleted-entry xmlns="${TOMBSTONES}" ref="1"/>`), 1],
    ['as a whole document', `<at:deleted-entry xmlns:at="${TOMBSTONES}" ref="1"/>`, 1],
    ['without attributes', feedOf('<at:deleted-entry/>'), 1],
    ['but in no other namespace', feedOf('<deleted-entry ref="1"/><x:deleted-entry xmlns:x="urn:x" ref="1"/>'), 0],
    ['but not inside an entry', feedOf('<entry><at:deleted-entry ref="1"/></entry>'), 0],
    ['but not in a text', feedOf('<title>deleted-entry</title>'), 0],
  ])('%s', (_name, text, count) => {
    expect(readEntries(text, TOPIC)).toHaveLength(count);
  });
});
