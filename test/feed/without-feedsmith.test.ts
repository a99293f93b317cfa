import { expect, test, vi } from 'vitest';
import { readFeed } from '../../src/feed/read-feed.js';

let isLoadFailing = true;

vi.mock('../../src/on-demand.js', async (original) => {
  const { onDemand } = await original<typeof import('../../src/on-demand.js')>();
  const failingOnDemand = (name: 'feedsmith'): unknown => {
    if (isLoadFailing && name === 'feedsmith') throw new Error('too many open files');
    return onDemand(name);
  };
  return { onDemand: failingOnDemand };
});

test('a feed is not reported as broken if the package that reads feeds cannot be loaded', () => {
  const feed = '<rss version="2.0"><channel><title>News</title><item><title>One</title></item></channel></rss>';
  const read = (): unknown => readFeed(feed, 'https://example.com/');
  expect(read).toThrow(new Error('too many open files'));
  isLoadFailing = false;
  expect(read()).toMatchObject({ entries: [{ title: 'One' }] });
});
