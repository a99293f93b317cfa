import { expect, test, vi } from 'vitest';
import { readFeed } from '../../src/feed/read-feed.js';

let isMissing = true;

vi.mock('../../src/on-demand.js', async (original) => {
  const { onDemand } = await original<typeof import('../../src/on-demand.js')>();
  const missing = (name: 'feedsmith'): unknown => {
    if (isMissing && name === 'feedsmith') throw new Error('too many open files');
    return onDemand(name);
  };
  return { onDemand: missing };
});

test('a feed that cannot be read because a package is missing is not reported as broken', () => {
  const feed = '<rss version="2.0"><channel><title>News</title><item><title>One</title></item></channel></rss>';
  const read = (): unknown => readFeed(feed, 'https://example.com/');
  expect(read).toThrow(new Error('too many open files'));
  isMissing = false;
  expect(read()).toMatchObject({ entries: [{ title: 'One' }] });
});
