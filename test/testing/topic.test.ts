import { expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.js';
import { plainSubscriber, subscribe } from '../kit/plain-subscriber.js';
import { startHub } from '../kit/start-hub.js';

const atomLink = (rel: string, href: string): string => `<link rel="${rel}" href="${href}"/>`;

test('D1 a topic names its hub and itself in a Link header', async () => {
  const hub = await startHub();
  const topic = hub.topic('feed', { body: 'first' });
  const response = await fetch(topic.url);
  expect(topic.self).toBe(topic.url);
  expect(topic.url).toBe(new URL('/feed', hub.url).href);
  expect(response.headers.get('link')).toBe(`<${hub.url}>; rel="hub", <${topic.url}>; rel="self"`);
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await response.text()).toBe('first');
});

test('a GET returns the published content', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'first' });
  await topic.publish('{}', { contentType: 'application/json' });
  const response = await fetch(topic.url);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(await response.text()).toBe('{}');
  topic.configure({ body: 'again' });
  expect(await (await fetch(topic.url)).text()).toBe('again');
});

test("D3 discovery 'html' inserts the links into the head of the page", async () => {
  const hub = await startHub();
  const topic = hub.topic('/page?a=1&b=2', {
    discovery: 'html',
    body: '<html><head lang="fr"><title>é</title></head>',
  });
  const response = await fetch(topic.url);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('link')).toBeNull();
  const self = topic.url.replace('&', '&amp;');
  const links = atomLink('hub', hub.url) + atomLink('self', self);
  expect(await response.text()).toBe(`<html><head lang="fr">${links}<title>é</title></head>`);
});

test("D4 discovery 'xml' inserts the links into an Atom feed, in any charset", async () => {
  const hub = await startHub();
  const feed = Buffer.from('<feed xmlns="http://www.w3.org/2005/Atom"><title>é</title></feed>', 'latin1');
  const topic = hub.topic('/feed', { discovery: 'xml', body: feed, contentType: 'text/html' });
  const response = await fetch(topic.url);
  expect(response.headers.get('content-type')).toBe('text/html');
  const links = atomLink('hub', hub.url) + atomLink('self', topic.url);
  const expected = `<feed xmlns="http://www.w3.org/2005/Atom">${links}<title>é</title></feed>`;
  expect(Buffer.from(await response.arrayBuffer()).toString('latin1')).toBe(expected);
});

test("D4 discovery 'xml' inserts the links into an RSS channel, in the Atom namespace", async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { discovery: 'xml', body: '<rss><channel><title/></channel></rss>', self: false });
  const link = `<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="hub" href="${hub.url}"/>`;
  expect(await (await fetch(topic.url)).text()).toBe(`<rss><channel>${link}<title/></channel></rss>`);
});

test("D5 discovery 'json-feed' adds hubs and feed_url to the feed", async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { discovery: 'json-feed', body: '{"title":"T","items":[]}' });
  const response = await fetch(topic.url);
  expect(response.headers.get('content-type')).toBe('application/feed+json; charset=utf-8');
  const hubs = [{ type: 'WebSub', url: hub.url }];
  expect(await response.json()).toEqual({ title: 'T', items: [], feed_url: topic.url, hubs });
});

test.each(['null', '[1]', '"text"'])(
  "discovery 'json-feed' wraps the JSON value %s, which is not a feed",
  async (body) => {
    const hub = await startHub();
    const response = await fetch(hub.topic('/feed', { discovery: 'json-feed', body, self: false }).url);
    expect(await response.json()).toMatchObject({ items: [{ content_text: body }], hubs: [{ url: hub.url }] });
  },
);

test.each([
  ['html', 'text/html; charset=utf-8', /<head>.*rel="hub".*rel="self".*<\/head><body><pre>a &lt;b&gt;<\/pre>/],
  ['xml', 'application/atom+xml; charset=utf-8', /^<\?xml.*<feed .*rel="hub".*<content>a &lt;b&gt;<\/content>/],
  ['json-feed', 'application/feed+json; charset=utf-8', /"content_text":"a <b>".*"feed_url".*"hubs"/],
] as const)(
  "with discovery '%s' content without a place for links is wrapped when served, and distributed unchanged",
  async (discovery, type, text) => {
    const hub = await startHub({ verify: 'sync' });
    const topic = hub.topic('/feed', { discovery });
    const { callback, requests } = await plainSubscriber();
    await subscribe(hub, topic, callback);
    await topic.publish('a <b>', { contentType: 'text/plain' });
    const response = await fetch(topic.url);
    expect(response.headers.get('content-type')).toBe(type);
    expect(await response.text()).toMatch(text);
    expect(requests.at(-1)?.body.toString()).toBe('a <b>');
    expect(requests.at(-1)?.headers['content-type']).toBe('text/plain');
  },
);

test.each(['html', 'xml', 'json-feed'] as const)(
  "with discovery '%s' a topic without content serves its links with its own content type",
  async (discovery) => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { discovery, contentType: 'application/json' });
    const response = await fetch(topic.url);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.text()).toContain(hub.url);
  },
);

test("D9 discovery 'none' announces no links", async () => {
  const hub = await startHub();
  const response = await fetch(hub.topic('/feed', { discovery: 'none', body: '[1]' }).url);
  expect(response.headers.get('link')).toBeNull();
  expect(await response.text()).toBe('[1]');
});

test('D6 self can be another URL, and subscriptions are for that URL', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed?page=1', { self: 'https://example.com/feed' });
  expect(topic.self).toBe('https://example.com/feed');
  expect((await fetch(topic.url)).headers.get('link')).toContain('<https://example.com/feed>; rel="self"');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  expect(await topic.publish('news')).toMatchObject([{ topic: 'https://example.com/feed', status: 202 }]);
});

test('D6 self can be left out', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { self: false });
  expect((await fetch(topic.url)).headers.get('link')).toBe(`<${hub.url}>; rel="hub"`);
  expect(topic.self).toBe(topic.url);
});

test('D8 several hubs are named in order, and can change', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { hubs: ['https://hub.example/', hub.url] });
  expect((await fetch(topic.url)).headers.get('link')).toMatch(/^<https:\/\/hub\.example\/>; rel="hub", <http:/);
  topic.configure({ hubs: [], self: false });
  expect((await fetch(topic.url)).headers.get('link')).toBeNull();
});

test('D10 a topic can move', async () => {
  const hub = await startHub();
  const topic = hub.topic('/old');
  topic.configure({ moved: { to: hub.topic('/new').url } });
  const response = await fetch(topic.url, { redirect: 'manual' });
  expect(response.status).toBe(301);
  expect(response.headers.get('location')).toBe(new URL('/new', hub.url).href);
  topic.configure({ moved: { to: '/new', status: 307 } });
  expect((await fetch(topic.url, { redirect: 'manual' })).status).toBe(307);
});

test('D7 a topic answers the configured status', async () => {
  const hub = await startHub();
  const response = await fetch(hub.topic('/feed', { status: 406 }).url);
  expect(response.status).toBe(406);
  expect(response.headers.get('link')).toBeNull();
});

test.each([
  [120, '120'],
  [new Date(Date.UTC(2030, 0, 1)), 'Tue, 01 Jan 2030 00:00:00 GMT'],
  [undefined, null],
] as const)('D13 a topic answers 503 with Retry-After %s', async (retryAfter, header) => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { status: 503, retryAfter });
  const response = await fetch(topic.url);
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, header]);
  topic.configure({ status: undefined });
  expect((await fetch(topic.url)).headers.get('retry-after')).toBeNull();
});

test('HEAD is answered without a body, other methods with 405, other paths with 404', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'x' });
  const head = await fetch(topic.url, { method: 'HEAD' });
  expect(head.headers.get('link')).toContain(hub.url);
  expect(await head.text()).toBe('');
  const post = await fetch(topic.url, { method: 'POST' });
  expect(post.status).toBe(405);
  expect(post.headers.get('allow')).toBe('GET, HEAD');
  expect((await fetch(new URL('/feed/', hub.url))).status).toBe(404);
});

test.each(['/feed', 'feed', '/hub', '/hub?x'])('topic() refuses the taken path %s', async (path) => {
  const hub = await startHub();
  hub.topic('/feed');
  expect(() => hub.topic(path)).toThrow(ConfigurationError);
  expect(() => hub.topic(path)).toThrow(/path \/(feed|hub(\?x)?) is already in use/);
});
