import { describe, expect, test, vi } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import type { TopicContentSink } from '../../../src/hub/discovery/buffered-document.js';
import type { TopicContent } from '../../../src/hub/discovery/fetch-topic.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

const HUB = 'https://hub.example/';
const LINKS = { Link: `<${HUB}>; rel=hub, </feed>; rel=self` };
const ATOM = { 'Content-Type': 'application/atom+xml' };
const MAX_BYTES = 1_000_000;

const feed = (self = '/feed', entries = 1): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="${HUB}"/><link rel="self" href="${self}"/>` +
  `${'<entry><id>1</id></entry>'.repeat(entries)}</feed>`;

/** Discovers from a server with this answer, and collects the content for the sink. */
async function discoverWithSink(answer: Answer, maxBytes = MAX_BYTES) {
  await using server = await startServer(answer);
  const contents: { readonly topic: string; readonly content: TopicContent }[] = [];
  const take = (topic: string, content: TopicContent): void => void contents.push({ topic, content });
  const discovery = await discover(`${server.url}/feed`, {}, { contentSink: { maxBytes, take } });
  const texts = contents.map(({ content }) => Buffer.from(content.body).toString());
  return { discovery, contents, texts, url: server.url, requests: server.requests };
}

describe('discovery passes the content of the topic to the sink', () => {
  test('D7 if the Link headers name the hub, so that discovery itself reads no body', async () => {
    const validators = { ETag: '"1"', 'Last-Modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    const result = await discoverWithSink(answerWith(200, { ...ATOM, ...LINKS, ...validators }, feed()));
    expect(result.discovery).toMatchObject({ topic: `${result.url}/feed`, hubs: [HUB], via: 'link-header' });
    expect(result.texts).toEqual([feed()]);
    expect(result.contents[0]).toMatchObject({
      topic: `${result.url}/feed`,
      content: { validators: { etag: '"1"', lastModified: validators['Last-Modified'] } },
    });
    expect(result.contents[0]?.content.headers).toContainEqual(['content-type', 'application/atom+xml']);
    expect(result.requests).toHaveLength(1);
  });

  test('D7 to its end, even if its beginning names the hub', async () => {
    const longFeed = feed('/feed', 20_000);
    const result = await discoverWithSink(answerWith(200, ATOM, longFeed));
    expect(result.discovery.via).toBe('xml');
    expect(result.texts).toEqual([longFeed]);
  });

  test('after a redirect', async () => {
    const result = await discoverWithSink((request, response) => {
      if (request.path === '/feed') response.writeHead(302, { Location: '/moved' }).end();
      else response.writeHead(200, ATOM).end(feed('/moved'));
    });
    expect(result.contents.map(({ topic }) => topic)).toEqual([`${result.url}/moved`]);
  });
});

describe('discovery passes nothing to the sink', () => {
  test.each<[string, Answer]>([
    ['if another URL is the topic', answerWith(200, ATOM, feed('/other'))],
    ['for a page', answerWith(200, { 'Content-Type': 'text/html', ...LINKS }, '<!doctype html><p>news')],
    ['if the document is too large', answerWith(200, ATOM, feed('/feed', 50_000))],
    [
      'if the document breaks off',
      (_request, response) => {
        response.writeHead(200, { ...ATOM, ...LINKS, 'Content-Length': '1000' }).write(feed());
        setImmediate(() => response.destroy());
      },
    ],
    [
      'if the document stalls',
      (_request, response) =>
        void response.writeHead(200, { ...ATOM, ...LINKS, 'Content-Length': '1000' }).write(feed()),
    ],
  ])('%s, and still finds the hub', async (_case, answer) => {
    const result = await discoverWithSink(answer);
    expect(result.discovery.hubs).toEqual([HUB]);
    expect(result.contents).toEqual([]);
  });

  test('if discovery stopped at its own limit, even if the sink accepts more bytes', async () => {
    const padded = feed().replace('<entry>', `${'<!-- -->'.repeat(700_000)}<entry>`);
    const result = await discoverWithSink(answerWith(200, ATOM, padded), 10 * MAX_BYTES);
    expect(result.discovery.warnings).toEqual([expect.stringContaining('first 5242880 bytes')]);
    expect(result.contents).toEqual([]);
  });

  test('if no hub is named', async () => {
    await using server = await startServer(answerWith(200, ATOM, '<feed/>'));
    const take = vi.fn<TopicContentSink['take']>();
    const discovery = discover(`${server.url}/feed`, {}, { contentSink: { maxBytes: MAX_BYTES, take } });
    await expect(discovery).rejects.toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', reason: 'no-hub' });
    expect(take).not.toHaveBeenCalled();
  });
});
