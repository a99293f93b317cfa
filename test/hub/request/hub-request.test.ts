import { afterAll, describe, expect, it } from 'vitest';
import { ConfigurationError, SubscriptionInitiationError } from '../../../src/errors.js';
import { sendHubRequest, type HubRequest, type HubRequestOptions } from '../../../src/hub/request/hub-request.js';
import { unusedPort } from '../../kit/ports.js';
import { everyHostHere, startServer, answerWith, type Answer } from '../../kit/recording-server.js';
import { failureOf } from '../../kit/failure-of.js';

const baseRequest: HubRequest = {
  mode: 'subscribe',
  topic: 'https://example.com/feed',
  callback: 'https://me.example.com/websub/1',
};

const requestError = (
  hub: string,
  request: Partial<HubRequest> = {},
  options: HubRequestOptions = {},
): Promise<unknown> => failureOf(sendHubRequest(hub, { ...baseRequest, ...request }, options));

/** Sends a request to a hub with this answer, and returns the error. */
async function requestErrorFrom(answer: Answer, request: Partial<HubRequest> = {}, options: HubRequestOptions = {}) {
  await using server = await startServer(answer);
  const error = await requestError(server.url, request, options);
  return { error, hub: server.url, requests: server.requests };
}

const NO_TOKEN = 'returned no token that HTTP allows in a header (value not shown)';

describe('a request to a hub', () => {
  it('S1 is a form with the given parameters and headers', async () => {
    await using server = await startServer(answerWith(202));
    await sendHubRequest(
      `${server.url}/hub?x=y`,
      { ...baseRequest, secret: 'secret', leaseSeconds: 60, customParams: { a: 'ü' }, customHeaders: { 'X-Own': '1' } },
      { httpConfig: { headers: { 'X-All': '2', 'Content-Type': 'text/plain' }, auth: { bearer: 'token' } } },
    );
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/hub?x=y',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-own': '1',
          'x-all': '2',
          authorization: 'Bearer token',
        },
        body:
          'hub.callback=https%3A%2F%2Fme.example.com%2Fwebsub%2F1&hub.mode=subscribe' +
          '&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.lease_seconds=60&hub.secret=secret&a=%C3%BC',
      },
    ]);
  });

  it.each([200, 201, 202, 204])('S3 is accepted with %i', async (code) => {
    await using server = await startServer(answerWith(code, {}, code === 204 ? '' : 'warning: slow'));
    expect(await sendHubRequest(server.url, baseRequest)).toEqual({ hub: server.url, status: code, moved: false });
  });

  it('S3 is accepted by its status, even if the body breaks off', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(202, { 'content-length': 100 }).write('beginning');
      setImmediate(() => response.destroy());
    });
    expect(await sendHubRequest(server.url, baseRequest)).toMatchObject({ status: 202 });
  });

  it.each([
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
    [409, 'temporary'],
    [422, 'temporary'],
    [429, 'temporary'],
    [500, 'temporary'],
    [503, 'temporary'],
    [300, 'refused'],
    [305, 'refused'],
  ] as const)('S3 with the answer %i is %s, sent once, and the error names the hub', async (code, reason) => {
    const { error, hub, requests } = await requestErrorFrom(answerWith(code, { location: '/elsewhere' }, 'no\nway'));
    expect(error).toBeInstanceOf(SubscriptionInitiationError);
    expect(error).toMatchObject({
      code: 'ERR_WEBSUB_INITIATION',
      reason,
      hub,
      topic: baseRequest.topic,
      status: code,
      message: `Cannot subscribe to ${baseRequest.topic} at ${hub}: the hub answered ${code}: "no way".`,
    });
    expect(requests).toHaveLength(1);
  });

  it.each([301, 302, 303])('S3 with the answer %i is refused, and the error names the Location', async (code) => {
    const { error, hub, requests } = await requestErrorFrom(answerWith(code, { location: '/elsewhere' }, 'moved'));
    expect(error).toMatchObject({
      reason: 'refused',
      status: code,
      message: expect.stringMatching(
        `answered ${code} with the Location ${hub}/elsewhere,.* 307 and 308 .*: "moved"\\.$`,
      ),
    });
    expect(requests).toHaveLength(1);
  });

  it.each([
    [undefined, 'with no Location,'],
    ['https://me:hush@hub.example.com/', 'with the Location https://hub.example.com/,'],
    ['http://[', 'with the Location http://[,'],
  ])('S3 with the answer 302 to %s names the Location without credentials', async (location, text) => {
    const { error } = await requestErrorFrom(answerWith(302, location === undefined ? {} : { location }));
    expect(error).toMatchObject({ reason: 'refused', message: expect.stringContaining(text) });
    expect(String(error)).not.toContain('hush');
  });

  it('S6 to unsubscribe has an error that says so', async () => {
    const { error, hub } = await requestErrorFrom(answerWith(400), { mode: 'unsubscribe' });
    expect(error).toMatchObject({
      message: `Cannot unsubscribe from ${baseRequest.topic} at ${hub}: the hub answered 400.`,
    });
  });

  it("S3 has the hub's text in its error, cut after 1 KiB", async () => {
    const { error } = await requestErrorFrom(answerWith(400, {}, 'x'.repeat(100_000)));
    expect(error).toMatchObject({ message: expect.stringMatching(/: "x{1024}…"\.$/) });
  });

  it('S3 reports both forms of Retry-After', async () => {
    const seconds = await requestErrorFrom(answerWith(429, { 'retry-after': '30' }));
    expect(seconds.error).toMatchObject({ retryAfterSeconds: 30 });
    const date = await requestErrorFrom(
      answerWith(503, { 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT' }),
      {},
      { now: () => Date.UTC(1994, 10, 6, 8, 48, 37) },
    );
    expect(date.error).toMatchObject({ retryAfterSeconds: 60 });
    expect((await requestErrorFrom(answerWith(503))).error).toMatchObject({ retryAfterSeconds: undefined });
  });

  it('S3 fails as unreachable if no server listens', async () => {
    const hub = `http://127.0.0.1:${await unusedPort()}`;
    expect(await requestError(hub)).toMatchObject({
      reason: 'unreachable',
      hub,
      status: undefined,
      message: expect.stringMatching(/to the hub failed: connect ECONNREFUSED/),
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('S3 fails as unreachable without an answer in time', async () => {
    const { error } = await requestErrorFrom(() => {}, {}, { httpConfig: { timeoutMs: 50 } });
    expect(error).toMatchObject({
      reason: 'unreachable',
      message: expect.stringMatching(/to the hub failed: no complete answer within 50 ms\.$/),
    });
  });

  it('S3 fails by the status of the answer if the body stalls', async () => {
    const stalling: Answer = (_request, response) => void response.writeHead(400).write('beginning');
    const { error } = await requestErrorFrom(stalling, {}, { httpConfig: { timeoutMs: 300 } });
    expect(error).toMatchObject({ reason: 'refused', message: expect.stringMatching(/answered 400: "beginning"\.$/) });
  });

  it("is aborted with the caller's signal", async () => {
    const controller = new AbortController();
    const { error } = await requestErrorFrom(
      () => controller.abort(new Error('stopping')),
      {},
      { signal: controller.signal },
    );
    expect(error).toMatchObject({ reason: 'unreachable', cause: { message: 'stopping' } });
  });

  it('never shows a callback or token that the hub echoes', async () => {
    const token = 'LMJbBvNQ7l-6kZ_zcWdtT0';
    const callback = `https://me.example.com/websub/${token}`;
    const echo: Answer = ({ body }, response) =>
      void response.writeHead(400).end(`${callback} ${body} /websub/${token} ${encodeURIComponent(callback)} is bad`);
    const { error } = await requestErrorFrom(echo, { callback });
    expect(error).toMatchObject({ message: expect.stringMatching(/\[redacted\].* is bad/) });
    expect(error).toMatchObject({ message: expect.not.stringContaining(token) });
  });

  it('never shows the callback in a URL that the hub redirects to', async () => {
    const token = 'LMJbBvNQ7l-6kZ_zcWdtT0';
    const callback = `https://me.example.com/websub/${token}`;
    const location = `/?back=${encodeURIComponent(callback)}`;
    const { error } = await requestErrorFrom(answerWith(307, { location }), { callback });
    expect(error).toMatchObject({ message: expect.stringMatching(/maxRedirects.*\[redacted\]/) });
    expect(error).toMatchObject({ message: expect.not.stringContaining(token) });
  });

  it.each([
    ['secret', { secret: 's3cret+&' }, {}],
    ['verify token', { verifyToken: 's3cret+&', protocol: 'pubsubhubbub-0.3' }, {}],
    ['bearer token', {}, { auth: { bearer: 's3cret+&' } }],
    ['password', {}, { auth: { username: 'me', password: 's3cret+&' } }],
  ] as const)('never shows a %s that the hub echoes', async (_name, request, httpConfig) => {
    const echo: Answer = ({ body, headers }, response) =>
      void response.writeHead(400).end(`bad: ${body} ${headers.authorization ?? ''} s3cret+&`);
    const { error } = await requestErrorFrom(echo, request, { httpConfig });
    expect(error).toMatchObject({ message: expect.stringContaining('[redacted]') });
    expect(String(error)).not.toMatch(/s3cret|bWU6czNjcmV0KyY=/);
  });
});

describe('a request that cannot be sent', () => {
  it.each([
    ['hub.example.com', {}, {}, 'hub is "hub.example.com"; it must be an absolute URL'],
    ['ws://hub.example.com', {}, {}, 'hub is "ws://hub.example.com"; it must be an http or https URL'],
    ['https://u:p@hub.example.com', {}, {}, 'hub is "https://hub.example.com" with a user name or password'],
    ['https://hub.example.com/#', {}, {}, 'hub is "https://hub.example.com/#"; it must be a URL without a fragment'],
    ['https://hub.example.com', { secret: 'x'.repeat(200) }, {}, 'secret is 200 bytes long'],
    ['https://hub.example.com', {}, { maxRedirects: -1 }, 'httpConfig.maxRedirects is -1; it must be a whole number'],
    ['https://hub.example.com', {}, { timeoutMs: 0 }, 'httpConfig.timeoutMs is 0; it must be'],
  ])(
    'is refused with a ConfigurationError for the hub %s, the request %j and the options %j',
    async (hub, request, httpConfig, beginning) => {
      const error = await requestError(hub, request, { httpConfig });
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error).toMatchObject({ message: expect.stringMatching(`^${beginning}`) });
    },
  );
});

describe('redirects', () => {
  it('S3 with 307 and 308 keep method and body, and only 308 moves the hub', async () => {
    await using server = await startServer(({ path }, response) => {
      const next = path === '/a' ? [308, '/b'] : path === '/b' ? [307, '/c'] : undefined;
      if (next === undefined) response.writeHead(202).end();
      else response.writeHead(Number(next[0]), { location: String(next[1]) }).end('moved');
    });
    const request = { ...baseRequest, customHeaders: { 'x-own': '1' }, secret: 'secret' };
    expect(await sendHubRequest(`${server.url}/a`, request)).toEqual({
      hub: `${server.url}/b`,
      status: 202,
      moved: true,
    });
    expect(server.requests.map(({ method, path }) => [method, path])).toEqual([
      ['POST', '/a'],
      ['POST', '/b'],
      ['POST', '/c'],
    ]);
    expect(new Set(server.requests.map(({ body }) => body)).size).toBe(1);
    expect(server.requests[2]?.headers).toMatchObject({
      'x-own': '1',
      'content-type': 'application/x-www-form-urlencoded',
    });
  });

  it('S3 in a loop end after five', async () => {
    const { error, hub, requests } = await requestErrorFrom(answerWith(307, { location: '/' }));
    expect(error).toMatchObject({
      reason: 'refused',
      status: 307,
      message: expect.stringMatching(
        `${hub}/ \\(redirected from the hub\\) answered 307 after 5 redirects.*httpConfig\\.maxRedirects.* ${hub}/\\.$`,
      ),
    });
    expect(requests).toHaveLength(6);
  });

  it('S3 without a Location are an error', async () => {
    const { error } = await requestErrorFrom(answerWith(308));
    expect(error).toMatchObject({
      reason: 'refused',
      message: expect.stringMatching(/the hub answered 308 without a valid Location/),
    });
  });

  it('S3 share one timeout', async () => {
    await using slow = await startServer(() => {});
    const { error } = await requestErrorFrom(
      answerWith(307, { location: slow.url }),
      {},
      { httpConfig: { timeoutMs: 200 } },
    );
    expect(error).toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining(`${slow.url}/ (redirected from the hub) failed: no complete answer`),
    });
  });

  it('S5 to another http origin lose headers and credentials', async () => {
    await using other = await startServer(answerWith(202));
    await using server = await startServer(answerWith(308, { location: other.url }));
    const request = { ...baseRequest, customHeaders: { 'x-own': '1' } };
    const httpConfig = { headers: { 'x-all': '2' }, auth: { bearer: 'token' } };
    expect(await sendHubRequest(server.url, request, { httpConfig })).toMatchObject({ hub: `${other.url}/` });
    expect(other.requests[0]?.body).toBe(server.requests[0]?.body);
    const { headers } = other.requests[0] ?? {};
    expect(headers).toMatchObject({ 'content-type': 'application/x-www-form-urlencoded' });
    for (const name of ['x-own', 'x-all', 'authorization']) expect(headers).not.toHaveProperty(name);
  });

  it('S5 to another server on this machine keep secret and parameters, and lose credentials', async () => {
    await using other = await startServer(answerWith(202));
    await using server = await startServer(answerWith(307, { location: other.url }));
    const request = {
      ...baseRequest,
      secret: 's3cret',
      customParams: { tenant: 'a' },
      customHeaders: { cookie: 'a=b' },
    };
    const withheld: string[] = [];
    const onWithheld = (url: string): void => void withheld.push(url);
    await sendHubRequest(server.url, request, {
      httpConfig: { auth: { username: 'me', password: 'hush' } },
      onWithheld,
    });
    expect(server.requests[0]?.headers).toMatchObject({ cookie: 'a=b', authorization: 'Basic bWU6aHVzaA==' });
    expect(other.requests[0]?.body).toMatch(/hub\.secret=s3cret&tenant=a$/);
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(other.requests[0]?.headers).not.toHaveProperty('cookie');
    expect(withheld).toEqual([`${other.url}/`]);
  });

  it('S5 that end at a 401 report that no credentials were sent there', async () => {
    await using other = await startServer(answerWith(401, {}, 'who are you?'));
    const { error, hub } = await requestErrorFrom(
      answerWith(308, { location: other.url }),
      {},
      { httpConfig: { auth: { bearer: 'token' } } },
    );
    expect(error).toMatchObject({
      message: expect.stringMatching(
        `answered 401: "who are you\\?"\\. No credentials were sent there, because they are for ${hub} only\\.$`,
      ),
    });
  });

  it('S5 of an earlier request still keep credentials from the hub that they led to', async () => {
    await using moved = await startServer(answerWith(202));
    const httpConfig = { auth: { bearer: 'token' }, headers: { 'x-all': '2' } };
    await sendHubRequest(
      moved.url,
      { ...baseRequest, customHeaders: { 'x-own': '1' } },
      {
        httpConfig,
        credentialsFor: 'https://hub.example.com/',
      },
    );
    for (const name of ['x-own', 'x-all', 'authorization']) {
      expect(moved.requests[0]?.headers).not.toHaveProperty(name);
    }
  });
});

describe('a secret', async () => {
  const httpsServer = await startServer(
    ({ path }, response) => {
      if (path === '/') response.writeHead(202).end();
      else response.writeHead(307, { location: decodeURIComponent(path.slice(1)) }).end();
    },
    { tls: true },
  );
  const httpServer = await startServer(answerWith(202));
  const dispatcher = everyHostHere({ http: httpServer.port, https: httpsServer.port });
  afterAll(async () => {
    await dispatcher.destroy();
    await httpsServer[Symbol.asyncDispose]();
    await httpServer[Symbol.asyncDispose]();
  });
  const request = { ...baseRequest, secret: 's3cret', customHeaders: { 'x-own': '1' } };
  const redirecting = (to: string): string => `https://hub.test/${encodeURIComponent(to)}`;

  it('S5 is not sent over plain HTTP', async () => {
    const error = await requestError('http://hub.test/', { secret: 's3cret' }, { httpConfig: { dispatcher } });
    expect(error).toMatchObject({
      reason: 'forbidden',
      hub: 'http://hub.test/',
      status: undefined,
      message: expect.stringMatching(/plain HTTP.*Use an https hub.*security\.allowInsecureSecret\.$/),
    });
    expect(String(error)).not.toContain('s3cret');
    expect(httpServer.requests).toHaveLength(0);
  });

  it('S5 is not sent on from https to plain HTTP', async () => {
    const error = await requestError(
      redirecting('http://hub.test/'),
      { secret: 's3cret' },
      { httpConfig: { dispatcher } },
    );
    expect(error).toMatchObject({ reason: 'forbidden', status: 307 });
    expect(httpServer.requests).toHaveLength(0);
  });

  it('S5 is sent over https to another origin, with custom parameters and without credentials', async () => {
    const httpConfig = { dispatcher, auth: { bearer: 'token' }, headers: { cookie: 'a=b' } };
    await sendHubRequest(
      redirecting('https://other.test/'),
      { ...request, customParams: { tenant: 'a' } },
      { httpConfig },
    );
    expect(httpsServer.requests.at(-2)?.headers).toMatchObject({
      'x-own': '1',
      authorization: 'Bearer token',
      cookie: 'a=b',
    });
    expect(httpsServer.requests.at(-1)).toMatchObject({ path: '/', headers: { host: 'other.test' } });
    expect(httpsServer.requests.at(-1)?.body).toMatch(/hub\.secret=s3cret&tenant=a$/);
    for (const name of ['x-own', 'authorization', 'cookie']) {
      expect(httpsServer.requests.at(-1)?.headers).not.toHaveProperty(name);
    }
  });

  it('S5 is sent over plain HTTP if that is allowed', async () => {
    const options = { httpConfig: { dispatcher }, allowInsecureSecret: true };
    await sendHubRequest('http://hub.test/', request, options);
    expect(httpServer.requests.at(-1)?.body).toContain('hub.secret=s3cret');
  });

  it('is not shown in an error if it is a further secret of the grant', async () => {
    const echo: Answer = (_request, response) => void response.writeHead(400).end('{"hub.secret":"an-older-s3cret"}');
    const { error } = await requestErrorFrom(echo, {}, { extraSecrets: ['an-older-s3cret'] });
    expect(error).toMatchObject({ message: expect.stringContaining('[redacted]') });
    expect(String(error)).not.toContain('s3cret');
  });

  it('S3 is not sent if the certificate of the hub is not trusted, and the request fails as unreachable', async () => {
    const countBefore = httpsServer.requests.length;
    const error = await requestError(httpsServer.url, { secret: 's3cret' });
    expect(error).toMatchObject({ reason: 'unreachable', message: expect.stringContaining('certificate') });
    expect(httpsServer.requests).toHaveLength(countBefore);
  });
});

describe('a bearer token from a function', () => {
  it('is requested once per request, redirects included, and redacted from messages', async () => {
    await using server = await startServer(({ path, headers }, response) => {
      if (path === '/') response.writeHead(307, { location: '/b' }).end();
      else response.writeHead(400).end(`bad: ${headers.authorization}`);
    });
    let calls = 0;
    const bearer = (): string => `s3cret-${(calls += 1)}`;
    const error = await requestError(server.url, {}, { httpConfig: { auth: { bearer } } });
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer s3cret-1', 'Bearer s3cret-1']);
    expect(error).toMatchObject({ message: expect.stringMatching(/answered 400: "bad: Bearer \[redacted\]"\.$/) });
    await requestError(server.url, {}, { httpConfig: { auth: { bearer } } });
    expect(calls).toBe(2);
  });

  it('is not requested if it is not sent', async () => {
    await using server = await startServer(answerWith(202));
    const bearer = (): string => {
      throw new Error('not to be called');
    };
    const options = { httpConfig: { auth: { bearer } }, credentialsFor: 'https://hub.example.com/' };
    expect(await sendHubRequest(server.url, baseRequest, options)).toMatchObject({ status: 202 });
  });

  it.each<readonly [string, () => string | Promise<string>, string]>([
    ['rejects', () => Promise.reject(new Error('no network')), 'failed: no network'],
    [
      'throws',
      () => {
        throw new Error('no key');
      },
      'failed: no key',
    ],
    ['hangs', () => new Promise(() => {}), 'failed: no complete answer within 100 ms'],
    ['returns nothing', () => '', NO_TOKEN],
    ['returns a value that no header can carry', () => 'to\nken', NO_TOKEN],
  ])('fails the request if the function %s, and nothing is sent', async (_case, bearer, problem) => {
    const { error, requests } = await requestErrorFrom(
      answerWith(202),
      {},
      { httpConfig: { auth: { bearer }, timeoutMs: 100 } },
    );
    expect(error).toBeInstanceOf(SubscriptionInitiationError);
    expect(error).toMatchObject({
      reason: 'temporary',
      status: undefined,
      message: expect.stringContaining(`the request was not sent, because httpConfig.auth.bearer ${problem}`),
    });
    expect(requests).toEqual([]);
  });
});
