import { expect, it } from 'vitest';
import { topicLinks } from '../../src/protocol/topic-links.js';

it('D6 the topic is kept as the publisher wrote it, since hubs compare it as a string', () => {
  const links = [{ rel: 'self', href: ' https://example.com ', base: 'https://example.com/' }];
  expect(topicLinks(links).selfs).toEqual(['https://example.com']);
});

it('D6 one topic written in two ways is one topic', () => {
  const links = ['https://example.com', 'https://example.com/', '/'].map((href) => ({
    rel: 'self',
    href,
    base: 'https://example.com/',
  }));
  expect(topicLinks(links).selfs).toEqual(['https://example.com']);
});
