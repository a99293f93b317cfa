import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { gzipSync, InflateRaw } from 'node:zlib';
import { Agent, buildConnector } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import { countElements } from '../../protocol/links/counted-parser.js';
import { startServer } from '../../kit/recording-server.js';

const SIZE = 5 * 1024 * 1024;
/** Bytes that may arrive before the reader sees the first one: sockets are read 64 KiB at a time. */
const READ_AHEAD = 512 * 1024;

const ATOM = 'http://www.w3.org/2005/Atom';
const links = (name: string): string => `<${name} rel="hub" href="/hub"/><${name} rel="self" href="/self"/>`;
const content = 'Some words of it. '.repeat(50);

/** The beginning of a document, and the text to repeat until the document has its size. */
interface Shape {
  readonly type: string;
  readonly head: string;
  readonly more: string;
}

const PAGE: Shape = {
  type: 'text/html',
  head: `<!doctype html><html><head>${links('link')}</head><body>`,
  more: `<p>${content}</p>\n`,
};

const ATOM_FEED: Shape = {
  type: 'application/atom+xml',
  head: `<feed xmlns="${ATOM}">${links('link')}<entry>`,
  more: `<title>One</title></entry><entry><content>${content}</content>`,
};

const SHAPES: readonly (readonly [string, Shape])[] = [
  ['an HTML page', PAGE],
  ['an Atom feed', ATOM_FEED],
  [
    'an RSS feed',
    {
      type: 'application/rss+xml',
      head: `<rss xmlns:a="${ATOM}"><channel>${links('a:link')}<item>`,
      more: `<title>One</title></item><item><description>${content}</description>`,
    },
  ],
  [
    'an RDF feed',
    {
      type: 'application/rdf+xml',
      head: `<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="${ATOM}"><channel>${links('a:link')}</channel>`,
      more: `<item><description>${content}</description></item>`,
    },
  ],
  [
    'a JSON Feed',
    {
      type: 'application/feed+json',
      head: '{"hubs": [{"type": "WebSub", "url": "/hub"}], "feed_url": "/self", "items": [',
      more: `{"id": "1", "content_text": "${content}"},`,
    },
  ],
];

const fullDocument = ({ head, more }: Shape): string =>
  head + more.repeat(Math.ceil((SIZE - head.length) / more.length));

/** Discovers from a server with this answer, and returns what it read. */
async function measure(body: string | Buffer, headers: Readonly<Record<string, string>>) {
  await using server = await startServer((_request, response) => {
    response.writeHead(200, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
  const sockets: Socket[] = [];
  const connect = buildConnector({});
  const dispatcher = new Agent({
    connect: (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (error === null) {
          sockets.push(socket);
          callback(null, socket);
        } else callback(error, null);
      }),
  });
  using parser = countElements();
  const { hubs, topic, via } = await discover(server.url, { httpConfig: { dispatcher } });
  expect({ hubs, topic }).toEqual({ hubs: [`${server.url}/hub`], topic: `${server.url}/self` });
  const { elements } = parser;
  const [socket] = sockets;
  if (socket === undefined) throw new Error('no connection was made');
  return { elements, via, socket, dispatcher };
}

describe('D3, D4 discovery in a document of 5 MiB', () => {
  test.each(SHAPES)('parses only the head of %s, and cancels the transfer', async (_name, shape) => {
    const headers = { 'Content-Type': shape.type };
    const headCost = await measure(shape.type.endsWith('json') ? `${shape.head}]}` : shape.head, headers);
    await headCost.dispatcher.close();
    const { socket, elements, via } = await measure(fullDocument(shape), headers);
    // Reading the remaining bytes would allow to reuse the connection, but costs more.
    await expect.poll(() => socket.destroyed).toBe(true);
    expect(socket.bytesRead).toBeLessThan(READ_AHEAD);
    expect({ elements, via }).toEqual({ elements: headCost.elements, via: headCost.via });
  });

  test.each([
    ['transfers and decompresses only the beginning of a gzipped page', randomBytes(SIZE / 2).toString('hex')],
    [
      'decompresses only the beginning of a page with a high compression ratio',
      PAGE.more.repeat(SIZE / PAGE.more.length),
    ],
  ])('%s', async (_case, body) => {
    const decompress = vi.spyOn(InflateRaw.prototype, 'push');
    onTestFinished(() => decompress.mockRestore());
    const headers = { 'Content-Type': PAGE.type, 'Content-Encoding': 'gzip' };
    const { socket, elements, dispatcher } = await measure(gzipSync(PAGE.head + body), headers);
    await dispatcher.close();
    expect(socket.bytesRead).toBeLessThan(READ_AHEAD);
    expect(elements).toBe(5);
    const sizes = decompress.mock.calls.map(([chunk]) => (Buffer.isBuffer(chunk) ? chunk.byteLength : 0));
    expect(sizes.length).toBeGreaterThan(0);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(READ_AHEAD);
  });

  test('parses no body if the Link headers name hub and topic, and cancels the transfer', async () => {
    const { socket, elements, via } = await measure(fullDocument(PAGE), {
      'Content-Type': PAGE.type,
      Link: '</hub>; rel="hub", </self>; rel="self"',
    });
    await expect.poll(() => socket.destroyed).toBe(true);
    expect(socket.bytesRead).toBeLessThan(READ_AHEAD);
    expect({ elements, via }).toEqual({ elements: 0, via: 'link-header' });
  });

  test('finds links at the end as well', async () => {
    const { type, more } = ATOM_FEED;
    const entries = `<entry>${more.repeat(SIZE / more.length - 100)}</entry>`;
    const { socket, dispatcher } = await measure(`<feed xmlns="${ATOM}">${entries}${links('link')}</feed>`, {
      'Content-Type': type,
    });
    expect(socket.bytesRead).toBeGreaterThan(SIZE / 2);
    await dispatcher.close();
  });
});
