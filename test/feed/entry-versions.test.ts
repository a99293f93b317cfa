import { expect, test } from 'vitest';
import { entryVersions } from '../../src/feed/entry-versions.js';

const atom = (...entries: readonly string[]): string =>
  `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><id>f</id><title>F</title><updated>2026-01-01T00:00:00Z</updated>${entries.join('')}</feed>`;
const entry = (id: string, title = id): string =>
  `<entry><id>${id}</id><title>${title}</title><updated>2026-01-01T00:00:00Z</updated></entry>`;
const rss = (...items: readonly string[]): string =>
  `<rss version="2.0"><channel><title>F</title><link>https://example.com/</link><description>D</description>${items.join('')}</channel></rss>`;

test('an entry is the same whatever it stands beside, and another when it changes', async () => {
  const [one, two] = (await entryVersions(atom(entry('one'), entry('two')))) ?? [];
  expect(await entryVersions(atom(entry('two')))).toEqual([two]);
  expect(await entryVersions(atom(entry('one', 'changed')))).not.toContain(one);
});

test.each([
  ['RSS', rss('<item><guid>1</guid><title>T</title></item>', '<item><title>without a guid</title></item>'), 2],
  ['JSON Feed', JSON.stringify({ version: 'https://jsonfeed.org/version/1.1', title: 'F', items: [{ id: '1' }] }), 1],
])('%s has entries too', async (_format, text, count) => {
  expect(new Set(await entryVersions(text)).size).toBe(count);
});

test.each([
  ['text', 'news'],
  ['nothing', ''],
  ['a feed without entries', atom()],
  ['XML of another kind', '<a/>'],
  ['JSON of another kind', '{"items":[]}'],
  ['nested without end', '<feed>'.repeat(50_000)],
])('%s has none', async (_what, text) => {
  expect(await entryVersions(text)).toBeUndefined();
});
