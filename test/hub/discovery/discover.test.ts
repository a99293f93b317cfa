import { gzipSync } from 'node:zlib';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { ConfigurationError, ResourceDiscoveryFailedError, type DiscoveryFailure } from '../../../src/errors.js';
import { discover, type DiscoveryContext } from '../../../src/hub/discovery/discover.js';
import type { DiscoveryConfig } from '../../../src/hub/http/http-config.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

const hub = 'https://hub.example/';
const page = `<head><link rel=hub href=${hub}><link rel=self href=/topic></head>`;
const html = { 'Content-Type': 'text/html' };
const linkHeader = { Link: `<${hub}>; rel=hub, </topic>; rel="self"` };

/** The error of a discovery that must fail. */
async function discoveryErrorOf(
  url: string,
  config?: DiscoveryConfig,
  context?: DiscoveryContext,
): Promise<ResourceDiscoveryFailedError> {
  const error: unknown = await discover(url, config, context).then(
    (discovery) => expect.fail(`found ${JSON.stringify(discovery)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ResourceDiscoveryFailedError)) throw error;
  return error;
}

describe('hub and topic are found', () => {
  test('D1 in HTTP Link headers first, without reading the document', async () => {
    await using server = await startServer(
      answerWith(200, { ...html, ...linkHeader }, '<link rel=hub href=https://evil.example/>'),
    );
    expect(await discover(`${server.url}/feed#part`)).toStrictEqual({
      topic: `${server.url}/topic`,
      hubs: [hub],
      url: `${server.url}/feed`,
      via: 'link-header',
    });
  });

  test('D2 in several Link headers', async () => {
    await using server = await startServer((_request, response) => {
      response.setHeader('Link', ['</a,b>; rel="hub"', `<${hub}>; rel="hub"`, '</style.css>; rel=preload']);
      response.end();
    });
    expect(await discover(server.url)).toMatchObject({ hubs: [`${server.url}/a,b`, hub] });
  });

  test.each([
    ['html', 'text/html', page],
    ['html', 'application/octet-stream', page],
    [
      'xml',
      'application/atom+xml',
      `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="${hub}"/><link rel="self" href="/topic"/></feed>`,
    ],
    ['json-feed', 'application/feed+json', `{"feed_url":"/topic","hubs":[{"type":"WebSub","url":"${hub}"}]}`],
  ])('D3 to D5 in a document in the format %s with the type %s', async (via, contentType, body) => {
    await using server = await startServer(
      answerWith(200, { 'Content-Type': contentType, Link: '</x>; rel=next' }, body),
    );
    expect(await discover(server.url)).toStrictEqual({
      topic: `${server.url}/topic`,
      hubs: [hub],
      url: `${server.url}/`,
      via,
    });
  });

  test('in a gzipped document', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { ...html, 'Content-Encoding': 'gzip' }).end(gzipSync(page));
    });
    expect(await discover(server.url)).toMatchObject({ hubs: [hub] });
  });

  test('D6 without a self link, with the final URL as the topic and a warning', async () => {
    await using server = await startServer(answerWith(200, html, `<link rel=hub href=${hub}>`));
    const discovery = await discover(server.url);
    expect(discovery).toMatchObject({ topic: `${server.url}/`, url: `${server.url}/` });
    expect(discovery.warnings).toEqual([expect.stringContaining('no self link')]);
  });

  test('D11 in the same place, so that a self link in the headers does not count for a hub in the page', async () => {
    const headers = { ...html, Link: '</topic>; rel=self' };
    await using server = await startServer(answerWith(200, headers, `<link rel=hub href=${hub}>`));
    expect(await discover(server.url)).toStrictEqual({
      topic: `${server.url}/`,
      hubs: [hub],
      url: `${server.url}/`,
      via: 'html',
      warnings: [expect.stringContaining('no self link')],
    });
  });

  test('D8 with all hubs in document order', async () => {
    await using server = await startServer(answerWith(200, html, '<link rel=hub href=/b><link rel=hub href=/a>'));
    expect((await discover(server.url)).hubs).toEqual([`${server.url}/b`, `${server.url}/a`]);
  });

  test.each([
    [10, undefined],
    [25, [expect.stringMatching(/names more than 10 hubs \(html\).* first 10 /)]],
  ])('D8 with at most the first ten of %d hubs', async (count, warnings) => {
    const paths = Array.from({ length: count }, (_, index) => `/${index}`);
    const links = paths.map((path) => `<link rel=hub href=${path}>`).join('');
    await using server = await startServer(answerWith(200, html, `<link rel=self href=/topic>${links}`));
    const discovery = await discover(server.url);
    expect(discovery.hubs).toEqual(paths.slice(0, 10).map((path) => `${server.url}${path}`));
    expect(discovery.warnings).toEqual(warnings);
  });
});

describe('the request of discovery', () => {
  test('D1 accepts HTML and feeds by default, and any other type as a last resort', async () => {
    await using server = await startServer(answerWith(200, linkHeader));
    await discover(server.url);
    const { accept, ...headers } = server.requests[0]?.headers ?? {};
    const preferences = (accept ?? '').split(', ').map((range) => {
      const [type = '', weight = 'q=1'] = range.split(';');
      return { type, quality: Number(weight.slice('q='.length)) };
    });
    const lastResort = preferences.pop();
    expect(lastResort).toMatchObject({ type: '*/*' });
    expect(preferences.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['text/html', 'application/atom+xml', 'application/rss+xml', 'application/feed+json']),
    );
    expect(Math.min(...preferences.map(({ quality }) => quality))).toBeGreaterThan(lastResort?.quality ?? 1);
    expect(headers['user-agent']).toMatch(/^websub-subscriber\//);
  });

  test.each([
    [
      { accept: 'text/html', acceptLanguage: 'de' },
      { accept: 'text/html', 'accept-language': 'de' },
    ],
    [
      { accept: ['a/b', 'c/d;q=0.5'], acceptLanguage: ['de', 'en'] },
      { accept: 'a/b, c/d;q=0.5', 'accept-language': 'de, en' },
    ],
    [{ httpConfig: { headers: { Accept: 'x/y', 'X-Key': '1' } } }, { accept: 'x/y', 'x-key': '1' }],
    [{ accept: 'a/b', httpConfig: { headers: { Accept: 'x/y' } } }, { accept: 'a/b' }],
    [{ httpConfig: { auth: { bearer: 'token' } } }, { authorization: 'Bearer token' }],
    [{ httpConfig: { auth: { username: 'me', password: 'pass' } } }, { authorization: 'Basic bWU6cGFzcw==' }],
  ])('D1 is sent with the headers of the configuration %j', async (config, expected) => {
    await using server = await startServer(answerWith(200, linkHeader));
    await discover(server.url, config);
    expect(server.requests[0]).toMatchObject({ method: 'GET', headers: expected });
  });

  test.each([
    [{ accept: 'a\nb' }, 'discoveryConfig.accept '],
    [{ acceptLanguage: ['a\0'] }, 'discoveryConfig.acceptLanguage '],
    [{ httpConfig: { maxRedirects: -1 } }, 'maxRedirects is -1'],
    [{ httpConfig: { maxRedirects: 1.5 } }, 'maxRedirects is 1.5'],
    [{ httpConfig: { timeoutMs: 0 } }, 'timeoutMs is 0'],
    [{ httpConfig: { headers: { 'a b': 'c' } } }, 'httpConfig.headers'],
  ])('is refused with a ConfigurationError for the configuration %j', async (config, words) => {
    const discovery = discover('http://127.0.0.1:1/', config);
    await expect(discovery).rejects.toBeInstanceOf(ConfigurationError);
    await expect(discovery).rejects.toThrow(words);
  });
});

describe('D7 a failed discovery', () => {
  test.each<[string, Answer, DiscoveryFailure, number | undefined, readonly string[]]>([
    [
      'no hub in HTML',
      answerWith(200, html, '<p>Hello'),
      'no-hub',
      200,
      ['text/html', 'Link headers', '<link>', 'target: {'],
    ],
    [
      'no hub in a feed',
      answerWith(200, {}, '<rss><channel></channel></rss>'),
      'no-hub',
      200,
      ['no content type', 'atom:link'],
    ],
    ['no hub in JSON', answerWith(200, { 'Content-Type': 'application/json' }, '{}'), 'no-hub', 200, ['JSON Feed']],
    [
      'an image',
      answerWith(200, { 'Content-Type': 'image/png' }, '\x89PNG'),
      'no-hub',
      200,
      ['image/png', 'neither HTML'],
    ],
    ['no content', answerWith(204), 'no-hub', 204, ['204']],
    [
      'a self link but no hub',
      answerWith(200, html, '<link rel=self href=/topic>'),
      'no-hub',
      200,
      ['self link', '/topic'],
    ],
    [
      'two self links',
      answerWith(200, html, `${page}<link rel=self href=/b>`),
      'multiple-self',
      undefined,
      ['/topic', '/b'],
    ],
    [
      'two self links in the headers',
      answerWith(200, { Link: `<${hub}>; rel="hub self", </b>; rel=self` }),
      'multiple-self',
      undefined,
      [],
    ],
    ['406', answerWith(406, {}, page), 'not-acceptable', 406, ['text/html', 'discoveryConfig.accept']],
    ['404', answerWith(404, linkHeader, page), 'http-error', 404, ['404']],
    ['500', answerWith(500), 'http-error', 500, ['500']],
    ['304', answerWith(304), 'http-error', 304, ['304']],
    ['a redirect without a Location', answerWith(302), 'http-error', 302, ['Location']],
    [
      'a redirect to itself',
      answerWith(302, { Location: '/feed' }),
      'too-many-redirects',
      302,
      ['5 redirects', 'maxRedirects'],
    ],
    ['a redirect to an invalid URL', answerWith(301, { Location: 'http://' }), 'invalid-url', 301, ['http://']],
    [
      'a redirect to another scheme',
      answerWith(301, { Location: 'file:///etc/passwd' }),
      'invalid-url',
      301,
      ['file:'],
    ],
    ['a connection that breaks', (_request, response) => response.destroy(), 'unreachable', undefined, ['/feed']],
    [
      'a body that breaks off',
      (_request, response) => {
        response.writeHead(200, { ...html, 'Content-Length': 100 }).write('<p>');
        setImmediate(() => response.destroy());
      },
      'unreachable',
      undefined,
      ['/feed'],
    ],
    [
      'a gzipped body that breaks off',
      (_request, response) => {
        response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('<p>').subarray(0, -3));
      },
      'unreachable',
      undefined,
      ['/feed', 'Content-Encoding', 'gzip', 'ends too early'],
    ],
  ])('has a reason and a message for %s', async (_case, answer, reason, code, words) => {
    await using server = await startServer(answer);
    const error = await discoveryErrorOf(`${server.url}/feed`);
    expect(error).toMatchObject({ reason, status: code });
    for (const word of [`${server.url}/`, ...words]) expect(error.message).toContain(word);
  });

  test('names the requested languages for 406', async () => {
    await using server = await startServer(answerWith(406));
    const { message } = await discoveryErrorOf(server.url, { acceptLanguage: 'tlh' });
    expect(message).toContain('languages (tlh)');
  });

  test.each(['', 'feed', '/feed', 'ftp://example.com/', 'https://'])(
    'has the reason invalid-url for the URL %j',
    async (url) => {
      expect((await discoveryErrorOf(url)).reason).toBe('invalid-url');
    },
  );

  test('has the reason invalid-url for credentials in the URL, and does not show them', async () => {
    const { reason, message } = await discoveryErrorOf('https://me:secret@example.com/');
    expect(reason).toBe('invalid-url');
    expect(message).toContain('auth');
    expect(message).not.toContain('secret');
  });

  test('has the reason unreachable for a server that is down', async () => {
    const server = await startServer(answerWith(200));
    await server[Symbol.asyncDispose]();
    const error = await discoveryErrorOf(server.url);
    expect(error.reason).toBe('unreachable');
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.cause).toBeInstanceOf(Error);
  });

  test.each<[string, Answer]>([
    ['that does not answer', () => {}],
    ['whose body stalls', (_request, response) => void response.writeHead(200, html).write('<p>')],
    [
      'that redirects and then does not answer',
      ({ path }, response) => {
        if (path === '/feed') response.writeHead(302, { Location: '/slow' }).end();
      },
    ],
  ])('has the reason timeout for a server %s', async (_case, answer) => {
    const responsesClosed: Promise<unknown>[] = [];
    await using server = await startServer((request, response) => {
      responsesClosed.push(once(response, 'close'));
      answer(request, response);
    });
    const { reason, message } = await discoveryErrorOf(`${server.url}/feed`, { httpConfig: { timeoutMs: 200 } });
    expect(reason).toBe('timeout');
    expect(message).toContain(server.url);
    expect(message).toContain('200 ms');
    await Promise.all(responsesClosed);
  });
});
