import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { fetchTopic, isPermanentFailure, type TopicRequest } from '../../../src/hub/discovery/fetch-topic.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

// The only mock: without a network, no URL is public.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof privacyOf>(original.privacyOf) };
});

beforeEach(() => void vi.mocked(privacyOf).mockReset().mockResolvedValue('literal'));

const request = (overrides: Partial<TopicRequest> = {}): TopicRequest => ({
  config: {},
  configuredUrl: 'http://127.0.0.1/',
  allowPrivateNetworks: false,
  maxBytes: 1_000,
  ...overrides,
});

const feed: Answer = (_request, response) => {
  response.writeHead(200, {
    'Content-Type': 'application/atom+xml',
    ETag: '"one"',
    'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'Set-Cookie': 'a=b',
  });
  response.end('<feed/>');
};

describe('a fetched topic', () => {
  test('has its bytes, headers and validators', async () => {
    await using server = await startServer(feed);
    const content = await fetchTopic(`${server.url}/feed`, request());
    expect(Buffer.from(content?.body ?? []).toString()).toBe('<feed/>');
    expect(content?.validators).toEqual({ etag: '"one"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' });
    expect(content?.headers).toContainEqual(['content-type', 'application/atom+xml']);
    expect(content?.headers.map(([name]) => name)).not.toContain('set-cookie');
    expect(server.requests[0]?.headers).not.toHaveProperty('if-none-match');
    expect(server.requests[0]?.headers.accept).toMatch(/^application\/atom\+xml, application\/rss\+xml/);
  });

  test('is requested with known validators, and is undefined if it has not changed', async () => {
    await using server = await startServer(answerWith(304));
    const known = { etag: '"one"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' };
    expect(await fetchTopic(`${server.url}/feed`, request({ known }))).toBeUndefined();
    expect(server.requests[0]?.headers).toMatchObject({
      'if-none-match': '"one"',
      'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT',
    });
  });

  test('is decoded, and has no Content-Encoding', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' });
      response.end(gzipSync('<feed/>'));
    });
    const content = await fetchTopic(`${server.url}/feed`, request());
    expect(Buffer.from(content?.body ?? []).toString()).toBe('<feed/>');
    expect(content?.headers.map(([name]) => name)).not.toContain('content-encoding');
  });

  test.each([
    ['gzip', gzipSync(Buffer.alloc(100 << 20))],
    ['deflate', deflateSync(Buffer.alloc(100 << 20))],
    ['br', brotliCompressSync(Buffer.alloc(100 << 20))],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(100 << 20)))],
  ])('D14 is read no further than maxBytes if it is a decompression bomb of %s', async (coding, body) => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'Content-Encoding': coding }).end(body);
    });
    const rssBefore = process.memoryUsage().rss;
    await expect(fetchTopic(`${server.url}/feed`, request({ maxBytes: 1 << 20 }))).rejects.toMatchObject({
      reason: 'too-large',
    });
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(64 << 20);
  });

  test('D14 may be empty with a Content-Encoding', async () => {
    await using server = await startServer(answerWith(200, { 'Content-Encoding': 'gzip' }));
    expect(await fetchTopic(`${server.url}/feed`, request())).toMatchObject({ body: new Uint8Array() });
  });

  test('D13 fails with the Retry-After of the publisher', async () => {
    await using server = await startServer(answerWith(503, { 'Retry-After': 'Tue, 01 Jan 2030 00:01:00 GMT' }));
    const now = (): number => Date.parse('2030-01-01T00:00:00Z');
    await expect(fetchTopic(`${server.url}/feed`, request({ now }))).rejects.toMatchObject({
      status: 503,
      retryAfterSeconds: 60,
      message: expect.stringContaining('wait 60 s'),
    });
    const nextDay = (): number => Date.parse('2030-01-02T00:00:00Z');
    await expect(fetchTopic(`${server.url}/feed`, request({ now: nextDay }))).rejects.toMatchObject({
      retryAfterSeconds: undefined,
    });
  });

  test('is requested with the discovery configuration of the service', async () => {
    await using server = await startServer(feed);
    const config = { accept: 'text/csv', httpConfig: { headers: { 'X-Key': 'k' }, auth: { bearer: 't' } } };
    await fetchTopic(`${server.url}/feed`, request({ config, configuredUrl: `${server.url}/page` }));
    expect(server.requests[0]?.headers).toMatchObject({ accept: 'text/csv', 'x-key': 'k', authorization: 'Bearer t' });
  });
});

describe('S5 credentials and headers of discovery', () => {
  const config = { httpConfig: { auth: { bearer: 't' }, headers: { 'X-Key': 'k' } } };

  test('are for the configured URL, and are not sent to a topic at another origin over plain http', async () => {
    await using server = await startServer(feed);
    await fetchTopic(`${server.url}/feed`, request({ config, configuredUrl: 'https://publisher.example/page' }));
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('x-key');
  });

  test('are not sent to a topic at another origin over https, and this is reported', async () => {
    await using server = await startServer(feed, { tls: true });
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const withheld: string[] = [];
    const onWithheld = (url: string): void => void withheld.push(url);
    const httpConfig = { ...config.httpConfig, dispatcher };
    const configuredUrl = 'https://publisher.example/page';
    await fetchTopic(`${server.url}/feed`, request({ config: { httpConfig }, configuredUrl, onWithheld }));
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('x-key');
    expect(withheld).toEqual([`${server.url}/feed`]);
    await dispatcher.close();
  });

  test('are not sent after a redirect back to the configured origin', async () => {
    await using server = await startServer(feed);
    await using other = await startServer(answerWith(302, { Location: `${server.url}/feed` }));
    await fetchTopic(`${other.url}/feed`, request({ config, configuredUrl: `${server.url}/page` }));
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('a topic that cannot be fetched', () => {
  test.each([
    [200, 'is longer than 5 bytes', false],
    [404, 'answered 404', false],
    [410, 'answered 410', true],
    [429, 'answered 429', false],
    [500, 'answered 500', false],
    [503, 'answered 503', false],
  ])('with the answer %i has the error "%s", permanent: %s', async (code, message, isPermanent) => {
    await using server = await startServer(code === 200 ? feed : answerWith(code));
    const error: unknown = await fetchTopic(`${server.url}/feed`, request({ maxBytes: 5 })).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', message: expect.stringContaining(message) });
    expect(isPermanentFailure(error)).toBe(isPermanent);
  });

  test('is a temporary failure if no server listens', async () => {
    const server = await startServer(feed);
    await server[Symbol.asyncDispose]();
    const error: unknown = await fetchTopic(`${server.url}/feed`, request()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ reason: 'unreachable' });
    expect(isPermanentFailure(error)).toBe(false);
    expect(isPermanentFailure(new SyntaxError('a feed that is being written'))).toBe(false);
  });

  test('is a permanent failure if a public page names a topic in a private network', async () => {
    vi.mocked(privacyOf).mockImplementation(async (url) => (url.includes('public') ? 'public' : 'literal'));
    await using server = await startServer(feed);
    const error: unknown = await fetchTopic(
      `${server.url}/feed`,
      request({ configuredUrl: 'https://public.example/' }),
    ).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ reason: 'forbidden-address' });
    expect(isPermanentFailure(error)).toBe(true);
    expect(server.requests).toEqual([]);
    const allowed = request({ configuredUrl: 'https://public.example/', allowPrivateNetworks: true });
    expect(await fetchTopic(`${server.url}/feed`, allowed)).toBeDefined();
  });
});
