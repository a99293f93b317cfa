import { describe, expect, test } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import type { TopicContent } from '../../../src/hub/discovery/fetch-topic.js';
import { startServer, status, type Answer } from '../../kit/recording-server.js';

const HUB = 'https://hub.example/';
const LINKS = { Link: `<${HUB}>; rel=hub, </feed>; rel=self` };
const ATOM = { 'Content-Type': 'application/atom+xml' };
const MAX_BYTES = 1_000_000;

const feed = (self = '/feed', entries = 1): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="${HUB}"/><link rel="self" href="${self}"/>` +
  `${'<entry><id>1</id></entry>'.repeat(entries)}</feed>`;

/** Discovers what a server answers, and what is handed over of it. */
async function discovered(answer: Answer, maxBytes = MAX_BYTES) {
  await using server = await startServer(answer);
  const taken: { readonly topic: string; readonly content: TopicContent }[] = [];
  const take = (topic: string, content: TopicContent): void => void taken.push({ topic, content });
  const found = await discover(`${server.url}/feed`, {}, { keep: { maxBytes, take } });
  const texts = taken.map(({ content }) => Buffer.from(content.body).toString());
  return { found, taken, texts, url: server.url, requests: server.requests };
}

describe('the topic is handed over by discovery', () => {
  test('D7 where the Link headers name the hub, so that discovery reads nothing of it', async () => {
    const validators = { ETag: '"1"', 'Last-Modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    const set = await discovered(status(200, { ...ATOM, ...LINKS, ...validators }, feed()));
    expect(set.found).toMatchObject({ topic: `${set.url}/feed`, hubs: [HUB], via: 'link-header' });
    expect(set.texts).toEqual([feed()]);
    expect(set.taken[0]).toMatchObject({
      topic: `${set.url}/feed`,
      content: { validators: { etag: '"1"', lastModified: validators['Last-Modified'] } },
    });
    expect(set.taken[0]?.content.headers).toContainEqual(['content-type', 'application/atom+xml']);
    expect(set.requests).toHaveLength(1);
  });

  test('D7 where its beginning names the hub, to its end', async () => {
    const long = feed('/feed', 20_000);
    const set = await discovered(status(200, ATOM, long));
    expect(set.found.via).toBe('xml');
    expect(set.texts).toEqual([long]);
  });

  test('where a redirect leads to it', async () => {
    const set = await discovered((request, response) => {
      if (request.path === '/feed') response.writeHead(302, { Location: '/moved' }).end();
      else response.writeHead(200, ATOM).end(feed('/moved'));
    });
    expect(set.taken.map(({ topic }) => topic)).toEqual([`${set.url}/moved`]);
  });
});

describe('nothing is handed over', () => {
  test.each<[string, Answer]>([
    ['where another URL is the topic', status(200, ATOM, feed('/other'))],
    ['where it is a page', status(200, { 'Content-Type': 'text/html', ...LINKS }, '<!doctype html><p>news')],
    ['where it is longer than is allowed', status(200, ATOM, feed('/feed', 50_000))],
    [
      'where it breaks off',
      (_request, response) => {
        response.writeHead(200, { ...ATOM, ...LINKS, 'Content-Length': '1000' }).write(feed());
        setImmediate(() => response.destroy());
      },
    ],
    [
      'where its rest does not come',
      (_request, response) =>
        void response.writeHead(200, { ...ATOM, ...LINKS, 'Content-Length': '1000' }).write(feed()),
    ],
  ])('%s, and the hub is found all the same', async (_what, answer) => {
    const set = await discovered(answer);
    expect(set.found.hubs).toEqual([HUB]);
    expect(set.taken).toEqual([]);
  });

  test('of what discovery has cut off, although more might be taken', async () => {
    const padded = feed().replace('<entry>', `${'<!-- -->'.repeat(700_000)}<entry>`);
    const set = await discovered(status(200, ATOM, padded), 10 * MAX_BYTES);
    expect(set.found.warnings).toEqual([expect.stringContaining('only the first 5242880 bytes')]);
    expect(set.taken).toEqual([]);
  });

  test('of what names no hub', async () => {
    await expect(discovered(status(200, ATOM, '<feed/>'))).rejects.toThrow(/No hub is named/);
  });
});
