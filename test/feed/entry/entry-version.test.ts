import { describe, expect, test } from 'vitest';
import { entryVersions } from '../../../src/feed/entry/entry-version.js';
import { readEntries } from '../../../src/feed/read-feed.js';

const atomVersions = (...entries: readonly string[]) =>
  entryVersions(
    readEntries(
      `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">${entries.join('')}</feed>`,
      'https://topic.example/',
    ),
    's',
  );
const jsonVersions = (...items: readonly object[]) =>
  entryVersions(
    readEntries(JSON.stringify({ version: 'https://jsonfeed.org/version/1.1', items }), 'https://topic.example/'),
    's',
  );
const entry = (id: string, title = 'T') => `<entry><id>${id}</id><title>${title}</title></entry>`;

test('key and version are 16 bytes in base64url', () => {
  const [version] = atomVersions(entry('1'));
  expect(version).toMatchObject({
    key: expect.stringMatching(/^[\w-]{22}$/),
    version: expect.stringMatching(/^[\w-]{22}$/),
  });
});

test("an entry's key and version do not depend on its position or neighbors", () => {
  const [one, two] = atomVersions(entry('1'), entry('2'));
  expect(atomVersions('<title>F</title>', entry('2'), '\n', entry('1'))).toEqual([two, one]);
  expect(one?.key).not.toBe(two?.key);
});

test('a changed entry has a new version and the same key', () => {
  const [before] = atomVersions(entry('1'));
  const [after] = atomVersions(entry('1', 'changed'));
  expect([after?.key, after?.version === before?.version]).toEqual([before?.key, false]);
});

test('the version ignores the order of JSON members, and covers unknown members', () => {
  const [before] = jsonVersions({ id: '1', title: 'T', tags: ['a'] });
  expect(jsonVersions({ tags: ['a'], title: 'T', id: '1' })).toEqual([before]);
  expect(jsonVersions({ id: '1', title: 'T', tags: ['a'], _likes: 1 })[0]?.version).not.toBe(before?.version);
});

test('a deleted entry is a new version of the entry', () => {
  const [original] = atomVersions(entry('1'));
  const [deleted] = atomVersions('<at:deleted-entry ref="1" when="2026-01-01T00:00:00Z"/>');
  expect(deleted).toMatchObject({ key: original?.key, updated: Date.UTC(2026, 0, 1) });
  expect(deleted?.version).not.toBe(original?.version);
});

describe('a repeated id', () => {
  test('with the same content is one entry', () => {
    const [one, two] = atomVersions(entry('1'), entry('1'));
    expect([one, two]).toEqual([...atomVersions(entry('1')), ...atomVersions(entry('1'))]);
  });

  test('with different content makes the content part of the key', () => {
    const [one, two, three, other] = atomVersions(entry('1'), entry('1', 'U'), entry('1'), entry('2'));
    expect(one).toEqual(three);
    expect(new Set([one?.key, two?.key, atomVersions(entry('1'))[0]?.key]).size).toBe(3);
    expect([other]).toEqual(atomVersions(entry('2')));
  });
});
