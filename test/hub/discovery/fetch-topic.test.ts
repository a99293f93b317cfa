import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { fetchTopic, isPermanentFailure, type TopicRequest } from '../../../src/hub/discovery/fetch-topic.js';
import { startServer, status, type Answer } from '../../kit/recording-server.js';

// The only stand-in: a URL that is not private cannot be had without a network.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof privacyOf>(original.privacyOf) };
});

beforeEach(() => void vi.mocked(privacyOf).mockReset().mockResolvedValue('literal'));

const request = (change: Partial<TopicRequest> = {}): TopicRequest => ({
  config: {},
  givenBy: 'http://127.0.0.1/',
  allowPrivateNetworks: false,
  maxBytes: 1_000,
  ...change,
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

describe('a topic that is fetched', () => {
  test('comes with its bytes, what describes them, and what to ask by next time', async () => {
    await using server = await startServer(feed);
    const content = await fetchTopic(`${server.url}/feed`, request());
    expect(Buffer.from(content?.body ?? []).toString()).toBe('<feed/>');
    expect(content?.validators).toEqual({ etag: '"one"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' });
    expect(content?.headers).toContainEqual(['content-type', 'application/atom+xml']);
    expect(content?.headers.map(([name]) => name)).not.toContain('set-cookie');
    expect(server.requests[0]?.headers).not.toHaveProperty('if-none-match');
    expect(server.requests[0]?.headers.accept).toMatch(/^application\/atom\+xml, application\/rss\+xml/);
  });

  test('is asked for by what is known, and is nothing where it is that', async () => {
    await using server = await startServer(status(304));
    const known = { etag: '"one"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' };
    expect(await fetchTopic(`${server.url}/feed`, request({ known }))).toBeUndefined();
    expect(server.requests[0]?.headers).toMatchObject({
      'if-none-match': '"one"',
      'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT',
    });
  });

  test('is decoded, and does not say that it is encoded', async () => {
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
  ])('D14: that is a bomb of %s is read as far as it may be long', async (coding, body) => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'Content-Encoding': coding }).end(body);
    });
    const before = process.memoryUsage().rss;
    await expect(fetchTopic(`${server.url}/feed`, request({ maxBytes: 1 << 20 }))).rejects.toMatchObject({
      reason: 'too-large',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  });

  test('D14: that is empty is so whatever its coding', async () => {
    await using server = await startServer(status(200, { 'Content-Encoding': 'gzip' }));
    expect(await fetchTopic(`${server.url}/feed`, request())).toMatchObject({ body: new Uint8Array() });
  });

  test('D13: says how long it asks to wait', async () => {
    await using server = await startServer(status(503, { 'Retry-After': 'Tue, 01 Jan 2030 00:01:00 GMT' }));
    const now = (): number => Date.parse('2030-01-01T00:00:00Z');
    await expect(fetchTopic(`${server.url}/feed`, request({ now }))).rejects.toMatchObject({
      status: 503,
      retryAfterSeconds: 60,
      message: expect.stringContaining('wait 60 s'),
    });
    const later = (): number => Date.parse('2030-01-02T00:00:00Z');
    await expect(fetchTopic(`${server.url}/feed`, request({ now: later }))).rejects.toMatchObject({
      retryAfterSeconds: undefined,
    });
  });

  test("is asked for as the service's discovery is", async () => {
    await using server = await startServer(feed);
    const config = { accept: 'text/csv', httpConfig: { headers: { 'X-Key': 'k' }, auth: { bearer: 't' } } };
    await fetchTopic(`${server.url}/feed`, request({ config, givenBy: `${server.url}/page` }));
    expect(server.requests[0]?.headers).toMatchObject({ accept: 'text/csv', 'x-key': 'k', authorization: 'Bearer t' });
  });
});

describe('S5 credentials and headers of discovery', () => {
  const config = { httpConfig: { auth: { bearer: 't' }, headers: { 'X-Key': 'k' } } };

  test('are for the URL that the user gave, and go to no topic of another origin over plain http', async () => {
    await using server = await startServer(feed);
    await fetchTopic(`${server.url}/feed`, request({ config, givenBy: 'https://publisher.example/page' }));
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('x-key');
  });

  test('go to no topic of another origin over https either, which is told', async () => {
    await using server = await startServer(feed, { tls: true });
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const withheld: string[] = [];
    const onWithheld = (url: string): void => void withheld.push(url);
    const httpConfig = { ...config.httpConfig, dispatcher };
    const givenBy = 'https://publisher.example/page';
    await fetchTopic(`${server.url}/feed`, request({ config: { httpConfig }, givenBy, onWithheld }));
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('x-key');
    expect(withheld).toEqual([`${server.url}/feed`]);
    await dispatcher.close();
  });

  test('do not come back once they were left behind', async () => {
    await using server = await startServer(feed);
    await using other = await startServer(status(302, { Location: `${server.url}/feed` }));
    await fetchTopic(`${other.url}/feed`, request({ config, givenBy: `${server.url}/page` }));
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('a topic that cannot be fetched', () => {
  test.each([
    [200, 'is longer than 5 bytes', false],
    [404, 'answered 404, so its content cannot be had', false],
    [410, 'answered 410', true],
    [429, 'answered 429', false],
    [500, 'answered 500', false],
    [503, 'answered 503', false],
  ])('%i: %s, for good: %s', async (code, message, isForGood) => {
    await using server = await startServer(code === 200 ? feed : status(code));
    const error: unknown = await fetchTopic(`${server.url}/feed`, request({ maxBytes: 5 })).catch(
      (one: unknown) => one,
    );
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', message: expect.stringContaining(message) });
    expect(isPermanentFailure(error)).toBe(isForGood);
  });

  test('as nobody answers, may be had soon', async () => {
    const server = await startServer(feed);
    await server[Symbol.asyncDispose]();
    const error: unknown = await fetchTopic(`${server.url}/feed`, request()).catch((one: unknown) => one);
    expect(error).toMatchObject({ reason: 'unreachable' });
    expect(isPermanentFailure(error)).toBe(false);
    expect(isPermanentFailure(new SyntaxError('a feed that is being written'))).toBe(false);
  });

  test('as a public page named one in a private network', async () => {
    vi.mocked(privacyOf).mockImplementation(async (url) => (url.includes('public') ? 'public' : 'literal'));
    await using server = await startServer(feed);
    const error: unknown = await fetchTopic(
      `${server.url}/feed`,
      request({ givenBy: 'https://public.example/' }),
    ).catch((one: unknown) => one);
    expect(error).toMatchObject({ reason: 'forbidden-address' });
    expect(isPermanentFailure(error)).toBe(true);
    expect(server.requests).toEqual([]);
    const allowed = request({ givenBy: 'https://public.example/', allowPrivateNetworks: true });
    expect(await fetchTopic(`${server.url}/feed`, allowed)).toBeDefined();
  });
});
