import { once } from 'node:events';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Agent } from 'undici';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { discover } from '../../../src/hub/discovery/discover.js';
import { certificate, everyHostHere, startServer, answerWith, type Answer } from '../../kit/recording-server.js';

// The only mock: without a network, no URL is public.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof privacyOf>(original.privacyOf) };
});

const linkAnswer: Answer = answerWith(200, { Link: '<https://hub.example/>; rel=hub, </topic>; rel=self' });

function redirectChain(codes: readonly number[]): Answer {
  return ({ path }, response) => {
    const index = Number(path.slice(1));
    const code = codes[index];
    if (code !== undefined)
      answerWith(code, { Location: `/${index + 1}` })({ method: '', path, headers: {}, body: '' }, response);
    else linkAnswer({ method: '', path, headers: {}, body: '' }, response);
  };
}

describe('D1 redirects', () => {
  test('are followed with all five statuses, and links are relative to the final URL', async () => {
    await using server = await startServer(redirectChain([301, 302, 303, 307, 308]));
    expect(await discover(`${server.url}/0`)).toMatchObject({ url: `${server.url}/5`, topic: `${server.url}/topic` });
    expect(server.requests.map(({ method }) => method)).toEqual(Array.from({ length: 6 }, () => 'GET'));
  });

  test('are not followed a sixth time, unless configured', async () => {
    await using server = await startServer(redirectChain([302, 302, 302, 302, 302, 302]));
    await expect(discover(`${server.url}/0`)).rejects.toMatchObject({ reason: 'too-many-redirects' });
    expect(await discover(`${server.url}/0`, { httpConfig: { maxRedirects: 6 } })).toMatchObject({
      url: `${server.url}/6`,
    });
    await expect(discover(`${server.url}/5`, { httpConfig: { maxRedirects: 0 } })).rejects.toMatchObject({
      reason: 'too-many-redirects',
    });
  });

  test('are not followed with another status', async () => {
    await using server = await startServer(redirectChain([300]));
    await expect(discover(`${server.url}/0`)).rejects.toMatchObject({ reason: 'http-error', status: 300 });
  });

  test('may have a Location in raw UTF-8 with a fragment', async () => {
    await using server = await startServer((request, response) => {
      if (request.path === '/0') {
        response.writeHead(301, { Location: Buffer.from('/é#x').toString('latin1') }).end();
      } else linkAnswer(request, response);
    });
    expect(await discover(`${server.url}/0`)).toMatchObject({ url: `${server.url}/%C3%A9` });
  });

  test('lead to errors that name both URLs', async () => {
    await using server = await startServer(({ path }, response) => {
      if (path === '/0') response.writeHead(301, { Location: '/1' }).end();
      else response.destroy();
    });
    await expect(discover(`${server.url}/0`)).rejects.toThrow(`${server.url}/1 (redirected from ${server.url}/0)`);
  });
});

describe('configured credentials and headers', () => {
  const httpConfig = { auth: { bearer: 'token' }, headers: { 'X-Key': 'key', Accept: 'x/y' } };
  const credentialHeaders = { authorization: 'Bearer token', 'x-key': 'key' };

  test('are sent to the same origin after a redirect', async () => {
    await using server = await startServer(redirectChain([302]));
    await discover(`${server.url}/0`, { httpConfig });
    expect(server.requests[1]?.headers).toMatchObject({ ...credentialHeaders, accept: 'x/y' });
  });

  test('are not sent to another origin over http, nor after a redirect back from it', async () => {
    let targetOrigin = '';
    await using other = await startServer((_request, response) => {
      response.writeHead(302, { Location: `${targetOrigin}/1` }).end();
    });
    await using server = await startServer((request, response) => {
      if (request.path === '/0') response.writeHead(302, { Location: other.url }).end();
      else linkAnswer(request, response);
    });
    targetOrigin = server.url;
    await discover(`${targetOrigin}/0`, { accept: 'a/b', acceptLanguage: 'de', httpConfig });
    expect(server.requests.map(({ path }) => path)).toEqual(['/0', '/1']);
    expect(server.requests[0]?.headers).toMatchObject(credentialHeaders);
    for (const { headers } of [...other.requests, ...server.requests.slice(1)]) {
      expect(headers).toMatchObject({ accept: 'a/b', 'accept-language': 'de' });
      expect(headers).not.toHaveProperty('authorization');
      expect(headers).not.toHaveProperty('x-key');
    }
  });

  test('S5 are not sent to another origin over https, and a warning says so', async () => {
    await using other = await startServer(linkAnswer, { tls: true });
    await using server = await startServer(answerWith(302, { Location: `${other.url}/` }));
    const dispatcher = new Agent({ connect: { ca: certificate, rejectUnauthorized: false } });
    const { warnings } = await discover(server.url, { httpConfig: { ...httpConfig, dispatcher } });
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(other.requests[0]?.headers).not.toHaveProperty('x-key');
    expect(warnings).toEqual([
      `Credentials and configured headers are not sent to ${other.url}, because they are for ${server.url} only`,
    ]);
    await dispatcher.close();
  });

  test('S5 are sent to the https form of the same host', async () => {
    await using httpsServer = await startServer(linkAnswer, { tls: true });
    await using httpServer = await startServer(answerWith(301, { Location: 'https://hub.test/' }));
    const dispatcher = everyHostHere({ http: httpServer.port, https: httpsServer.port });
    const { warnings } = await discover('http://hub.test/', { httpConfig: { ...httpConfig, dispatcher } });
    expect(httpsServer.requests[0]?.headers).toMatchObject(credentialHeaders);
    expect(warnings).toBeUndefined();
    await dispatcher.destroy();
  });

  test('S5 are named in the error if an origin that did not get them answers 401', async () => {
    await using other = await startServer(answerWith(401));
    await using server = await startServer(answerWith(302, { Location: `${other.url}/` }));
    await expect(discover(server.url, { httpConfig })).rejects.toMatchObject({
      code: 'ERR_WEBSUB_DISCOVERY',
      status: 401,
      message: expect.stringContaining(`Credentials and configured headers are not sent to ${other.url}`),
    });
  });
});

describe('a bearer token from a function', () => {
  test('is requested once per discovery, and sent to the origin of the target only', async () => {
    await using other = await startServer(linkAnswer);
    await using server = await startServer((request, response) => {
      const location = request.path === '/0' ? '/1' : `${other.url}/`;
      answerWith(302, { Location: location })(request, response);
    });
    let calls = 0;
    const bearer = async (): Promise<string> => `token-${(calls += 1)}`;
    for (const expected of ['token-1', 'token-2']) {
      server.requests.length = 0;
      await discover(`${server.url}/0`, { httpConfig: { auth: { bearer } } });
      expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
        `Bearer ${expected}`,
        `Bearer ${expected}`,
      ]);
    }
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  test('is redacted if a redirect echoes it', async () => {
    await using server = await startServer(({ path }, response) => {
      if (path === '/0') response.writeHead(302, { Location: '/told?token=given-for-now' }).end();
      else response.writeHead(410).end();
    });
    const bearer = (): Promise<string> => Promise.resolve('given-for-now');
    await expect(discover(`${server.url}/0`, { httpConfig: { auth: { bearer } } })).rejects.toThrow(
      /\/told\?token=\[redacted\]/,
    );
  });

  test('fails the discovery if the function fails', async () => {
    await using server = await startServer(linkAnswer);
    const bearer = async (): Promise<string> => {
      throw new Error('the token service is down');
    };
    await expect(discover(server.url, { httpConfig: { auth: { bearer } } })).rejects.toMatchObject({
      code: 'ERR_WEBSUB_DISCOVERY',
      reason: 'unreachable',
      message: `Cannot read ${server.url}/: discoveryConfig.httpConfig.auth.bearer failed: the token service is down.`,
    });
    expect(server.requests).toEqual([]);
  });
});

describe('private addresses', () => {
  beforeEach(() => {
    vi.mocked(privacyOf).mockClear();
  });

  test('are allowed for redirects from a private URL', async () => {
    await using server = await startServer(redirectChain([302, 302]));
    expect(await discover(`${server.url}/0`)).toMatchObject({ url: `${server.url}/2` });
    expect(privacyOf).toHaveBeenCalledExactlyOnceWith(`${server.url}/0`);
  });

  test('are not allowed under a name that was public when it was checked', async () => {
    vi.mocked(privacyOf).mockResolvedValueOnce('public');
    await using server = await startServer(redirectChain([302]));
    await expect(discover(`${server.url}/0`)).rejects.toMatchObject({ reason: 'forbidden-address' });
    expect(server.requests).toHaveLength(0);
  });

  test('are allowed under a private name, and for redirects to its own host and port only', async () => {
    vi.mocked(privacyOf).mockResolvedValueOnce('resolved');
    await using privateServer = await startServer(linkAnswer);
    await using server = await startServer(({ path }, response) => {
      response.writeHead(302, { Location: path === '/0' ? '/1' : privateServer.url }).end();
    });
    await expect(discover(`${server.url}/0`)).rejects.toMatchObject({ reason: 'forbidden-address' });
    expect(server.requests.map(({ path }) => path)).toEqual(['/0', '/1']);
    expect(privateServer.requests).toHaveLength(0);
  });

  test('are not checked with a dispatcher of the user', async () => {
    await using server = await startServer(linkAnswer);
    const dispatcher = new Agent();
    await discover(server.url, { httpConfig: { dispatcher } });
    expect(privacyOf).not.toHaveBeenCalled();
    await dispatcher.close();
  });

  test('are allowed with allowPrivateNetworks', async () => {
    await using server = await startServer(redirectChain([302]));
    await discover(`${server.url}/0`, {}, { allowPrivateNetworks: true });
    expect(privacyOf).not.toHaveBeenCalled();
  });
});

describe('D7 in discovery', () => {
  interface Transfer {
    bytes: number;
    closed?: Promise<unknown>;
  }

  /** Writes chunks for as long as they are read. */
  function endless(beginning: string, transfer: Transfer): Answer {
    const chunk = '<p>Hello'.repeat(8192);
    function* chunks(): Iterable<string> {
      for (yield beginning; ; transfer.bytes += chunk.length) yield chunk;
    }
    return (_request, response) => {
      transfer.closed = once(response, 'close');
      response.setHeader('Content-Type', 'text/html');
      Readable.from(chunks()).pipe(response);
    };
  }

  test('an endless page with a hub in its head is cancelled at the end of the head', async () => {
    const transfer: Transfer = { bytes: 0 };
    await using server = await startServer(endless('<link rel=hub href=/hub><link rel=self href=/><body>', transfer));
    expect(await discover(server.url)).toMatchObject({ hubs: [`${server.url}/hub`] });
    await transfer.closed;
    expect(transfer.bytes).toBeLessThan(10_000_000);
  });

  test('an endless body of a redirect is cancelled', async () => {
    const transfer: Transfer = { bytes: 0 };
    const endlessRedirect = endless('moved', transfer);
    await using server = await startServer((request, response) => {
      if (request.path === '/1') return linkAnswer(request, response);
      response.statusCode = 302;
      response.setHeader('Location', '/1');
      endlessRedirect(request, response);
    });
    expect(await discover(`${server.url}/0`)).toMatchObject({ url: `${server.url}/1` });
    await transfer.closed;
  });

  test('an endless page without a hub is refused as too large', async () => {
    const transfer: Transfer = { bytes: 0 };
    await using server = await startServer(endless('<body>', transfer));
    const discovery = discover(server.url);
    await expect(discovery).rejects.toMatchObject({ reason: 'too-large', status: 200 });
    await expect(discovery).rejects.toThrow('first 5242880 bytes');
    await transfer.closed;
    expect(transfer.bytes).toBeLessThan(20_000_000);
  });

  test('a hub in the body before the limit is used, with a warning', async () => {
    await using server = await startServer(
      endless('<body><link rel=hub href=/hub><link rel=self href=/>', { bytes: 0 }),
    );
    const { hubs, warnings } = await discover(server.url);
    expect(hubs).toEqual([`${server.url}/hub`]);
    expect(warnings).toEqual([expect.stringContaining('first 5242880 bytes')]);
  });

  test('the limit applies to decoded bytes, and a body of exactly the limit is accepted', async () => {
    const limit = 5 * 1024 * 1024;
    const tail = '<link rel=self href=/><link rel=hub href=/hub>';
    const pageOfSize =
      (size: number): Answer =>
      (_request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip' });
        const gzip = createGzip();
        gzip.pipe(response);
        gzip.end(`<p>${' '.repeat(size - 3 - tail.length)}${tail}`);
      };
    await using fitting = await startServer(pageOfSize(limit));
    expect(await discover(fitting.url)).not.toHaveProperty('warnings');
    await using exceeding = await startServer(pageOfSize(limit + 1));
    await expect(discover(exceeding.url)).rejects.toMatchObject({ reason: 'too-large' });
  });
});
