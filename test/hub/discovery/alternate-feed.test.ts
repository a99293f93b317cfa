import { once } from 'node:events';
import { inspect } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { privacyOf } from '../../../src/hub/guard/address-guard.js';
import { discover } from '../../../src/hub/discovery/discover.js';
import { failureOf } from '../../kit/failure-of.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

// The only mock: without a network, no URL is public.
vi.mock(import('../../../src/hub/guard/address-guard.js'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, privacyOf: vi.fn<typeof privacyOf>(original.privacyOf) };
});

const HUB = 'https://hub.example/';
const html = { 'Content-Type': 'text/html' };
const atom = { 'Content-Type': 'application/atom+xml' };
const feed =
  `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="${HUB}"/>` +
  '<link rel="self" href="/topic"/></feed>';
const alternate = (href: string, type = 'application/atom+xml', rel = 'alternate'): string =>
  `<link rel="${rel}" type="${type}" href="${href}">`;

/** Answers each path with its answer, and other paths with 404. */
const site =
  (answers: Readonly<Record<string, Answer>>): Answer =>
  (request, response) =>
    (answers[request.path] ?? answerWith(404))(request, response);

const page = (head: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  answerWith(200, { ...html, ...headers }, `<!doctype html><head><title>x</title>${head}</head><body>`);

describe('D11 discovery from a page with an alternate feed', () => {
  test('uses hub and topic of the first feed, and reports the URL of the feed', async () => {
    await using server = await startServer(
      site({ '/': page(alternate('/feed') + alternate('/other')), '/feed': answerWith(200, atom, feed) }),
    );
    expect(await discover(server.url)).toStrictEqual({
      topic: `${server.url}/topic`,
      hubs: [HUB],
      url: `${server.url}/feed`,
      via: 'xml',
      feed: `${server.url}/feed`,
    });
    expect(server.requests.map(({ path }) => path)).toEqual(['/', '/feed']);
    expect(server.requests[1]?.headers.accept).toMatch(/^application\/atom\+xml/);
  });

  test.each([
    'application/atom+xml',
    'application/rss+xml; charset=utf-8',
    'Application/RDF+XML',
    'application/feed+json',
  ])('reads a feed of type %s', async (type) => {
    await using server = await startServer(
      site({ '/': page(alternate('/feed', type)), '/feed': answerWith(200, atom, feed) }),
    );
    expect(await discover(server.url)).toMatchObject({ hubs: [HUB] });
  });

  test.each([
    ['of another type', alternate('/feed', 'application/json')],
    ['without a type', '<link rel=alternate href=/feed>'],
    ['that is a style sheet', alternate('/feed', 'application/atom+xml', 'alternate stylesheet')],
    ['of another relation', alternate('/feed', 'application/atom+xml', 'feed')],
    ['in the body', `</head><body>${alternate('/feed')}`],
    ['without an http URL', alternate('data:application/atom+xml,x')],
  ])('does not follow a link %s', async (_case, head) => {
    await using server = await startServer(site({ '/': page(head), '/feed': answerWith(200, atom, feed) }));
    await expect(discover(server.url)).rejects.toMatchObject({ reason: 'no-hub' });
    expect(server.requests).toHaveLength(1);
  });

  test('does not read the feed if the body or the headers of a redirect name a hub', async () => {
    await using server = await startServer(
      site({
        '/body': page(`${alternate('/feed')}</head><body><link rel=hub href=/hub>`),
        '/moved': answerWith(302, { Location: '/', Link: '</hub>; rel=hub' }),
        '/': page(alternate('/feed')),
      }),
    );
    for (const path of ['/body', '/moved']) {
      expect(await discover(server.url + path)).toMatchObject({ hubs: [`${server.url}/hub`] });
    }
    expect(server.requests.map(({ path }) => path)).toEqual(['/body', '/moved', '/']);
  });

  test('resolves the feed against the base URL, and uses the Link headers of its redirects last', async () => {
    await using server = await startServer(
      site({
        '/': page(`<base href="/blog/">${alternate('feed')}`),
        '/blog/feed': answerWith(301, { Location: '/a', Link: '<hub>; rel=hub, <self>; rel=self' }),
        '/a': answerWith(200, atom, '<feed xmlns="http://www.w3.org/2005/Atom"></feed>'),
      }),
    );
    expect(await discover(server.url)).toMatchObject({
      hubs: [`${server.url}/blog/hub`],
      topic: `${server.url}/blog/self`,
      url: `${server.url}/a`,
      via: 'link-header',
      feed: `${server.url}/blog/feed`,
    });
  });

  test('follows one alternate link only', async () => {
    await using server = await startServer(
      site({ '/': page(alternate('/page')), '/page': page(alternate('/feed')), '/feed': answerWith(200, atom, feed) }),
    );
    await expect(discover(server.url)).rejects.toMatchObject({ reason: 'no-hub' });
    expect(server.requests.map(({ path }) => path)).toEqual(['/', '/page']);
  });

  test('uses the feed of the last discovery while the page lists it', async () => {
    await using server = await startServer(
      site({
        '/': page(alternate('/a') + alternate('/b')),
        '/a': answerWith(200, atom, feed),
        '/b': answerWith(200, atom, feed),
      }),
    );
    const feedFor = async (lastFeed: string): Promise<string | undefined> =>
      (await discover(server.url, {}, { lastFeed })).feed;
    expect(await feedFor(`${server.url}/b`)).toBe(`${server.url}/b`);
    expect(await feedFor(`${server.url}/gone`)).toBe(`${server.url}/a`);
  });

  test('reads the feed even if the page is too long to be read to its end', async () => {
    const longHead = `${alternate('/feed')}</head><body>${'<p>Hello'.repeat(700_000)}`;
    await using server = await startServer(site({ '/': page(longHead), '/feed': answerWith(200, atom, feed) }));
    expect(await discover(server.url)).toMatchObject({ hubs: [HUB], feed: `${server.url}/feed` });
  });
});

describe('D11 the error names all searched places', () => {
  test('if the feed names no hub', async () => {
    await using server = await startServer(
      site({
        '/': answerWith(302, { Location: '/page', Link: '</x>; rel=next' }),
        '/page': page(alternate('/feed')),
        '/feed': answerWith(200, atom, '<feed/>'),
      }),
    );
    expect(await failureOf(discover(server.url))).toMatchObject({
      reason: 'no-hub',
      status: 200,
      message:
        `No hub found at ${server.url}/page (200, text/html): searched the Link headers (also of the redirects from ` +
        `${server.url}/) and the <link> elements of the page. No hub found at its alternate feed ${server.url}/feed ` +
        '(200, application/atom+xml): searched the Link headers and the atom:link elements of the feed. ' +
        'If you know the hub, set target: { hub, topic }.',
    });
  });

  test('if the feed cannot be read', async () => {
    await using server = await startServer(site({ '/': page(alternate('/feed')) }));
    expect(await failureOf(discover(server.url))).toMatchObject({
      reason: 'no-hub',
      status: 200,
      cause: { reason: 'http-error', status: 404 },
      message: expect.stringContaining(
        `No hub found at ${server.url}/ (200, text/html): searched the Link headers and the <link> elements of the ` +
          `page. Its alternate feed failed: ${server.url}/feed answered 404`,
      ),
    });
  });

  test.each([404, 503])('and ends with the advice, once, if the feed answers %i', async (status) => {
    await using server = await startServer(
      site({ '/': page(alternate('/feed')), '/feed': answerWith(status, { 'Retry-After': '60' }) }),
    );
    const { message } = await failureOf(discover(server.url));
    expect(message).toMatch(/target: \{ hub, topic \}\.$/);
    expect(message.match(/target: \{/g)).toHaveLength(1);
    expect(message.match(/if you know/gi)).toHaveLength(1);
  });

  test('D12 with URLs cut to a readable length', async () => {
    const longPath = `/${'a'.repeat(8_000)}`;
    await using server = await startServer(
      site({
        '/': page(`<link rel="self hub" href="${longPath}"><link rel=self href="${longPath}b">`),
        '/feedless': page(alternate(longPath) + `<link rel=self href="${longPath}">`),
        [longPath]: answerWith(200, atom, '<feed/>'),
      }),
    );
    for (const [path, reason] of [
      ['/', 'multiple-self'],
      ['/feedless', 'no-hub'],
      [longPath, 'no-hub'],
    ] as const) {
      const error = await failureOf(discover(server.url + path));
      expect(error).toMatchObject({ reason });
      expect(error).toHaveProperty('message', expect.stringContaining(`${server.url}/a`));
      expect(String(error).length).toBeLessThan(1_500);
    }
  });
});

describe('D11, S5 an alternate feed is read', () => {
  test('with credentials at the origin of the target, without them elsewhere', async () => {
    await using other = await startServer(answerWith(200, atom, feed));
    await using server = await startServer(
      site({
        '/own': page(alternate('/feed')),
        '/foreign': page(alternate(`${other.url}/feed`)),
        '/feed': answerWith(200, atom, feed),
      }),
    );
    const httpConfig = { auth: { bearer: 'token' }, headers: { 'X-Key': 'key-of-mine' } };
    await discover(`${server.url}/own`, { httpConfig });
    expect(server.requests[1]?.headers).toMatchObject({ authorization: 'Bearer token', 'x-key': 'key-of-mine' });
    const { warnings } = await discover(`${server.url}/foreign`, { httpConfig });
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(other.requests[0]?.headers).not.toHaveProperty('x-key');
    expect(warnings).toEqual([expect.stringContaining(`not sent to ${other.url}`)]);
  });

  test('with the address guard of the target', async () => {
    await using privateServer = await startServer(answerWith(200, atom, feed));
    await using server = await startServer(page(alternate(`${privateServer.url}/feed`)));
    // A name that resolves to a private address allows its own host only.
    vi.mocked(privacyOf).mockResolvedValueOnce('resolved').mockResolvedValueOnce('resolved');
    const error = await failureOf(discover(server.url));
    expect(error).toMatchObject({ reason: 'no-hub', cause: { reason: 'forbidden-address' } });
    expect(privateServer.requests).toEqual([]);
  });

  test('with the redirect limit of the target', async () => {
    const hops = Object.fromEntries([1, 2, 3].map((hop) => [`/${hop}`, answerWith(302, { Location: `/${hop + 1}` })]));
    await using server = await startServer(
      site({ '/': page(alternate('/1')), ...hops, '/4': answerWith(200, atom, feed) }),
    );
    expect(await discover(server.url, { httpConfig: { maxRedirects: 3 } })).toMatchObject({ url: `${server.url}/4` });
    await expect(discover(server.url, { httpConfig: { maxRedirects: 2 } })).rejects.toMatchObject({
      reason: 'no-hub',
      cause: { reason: 'too-many-redirects' },
    });
  });

  test('within the timeout of the target', async () => {
    const responsesClosed: Promise<unknown>[] = [];
    await using server = await startServer(
      site({
        '/': page(alternate('/slow')),
        '/slow': (_request, response) => responsesClosed.push(once(response, 'close')),
      }),
    );
    const error = await failureOf(discover(server.url, { httpConfig: { timeoutMs: 300 } }));
    expect(error).toMatchObject({ reason: 'timeout' });
    expect(error).toHaveProperty('message', expect.stringMatching(/\/slow: no complete answer within 300 ms/));
    await Promise.all(responsesClosed);
  });

  test.each<[string, Answer]>([
    ['fails', answerWith(404)],
    [
      'has no self link',
      answerWith(200, atom, `<feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="${HUB}"/></feed>`),
    ],
    ['names no hub', answerWith(200, atom, '<feed xmlns="http://www.w3.org/2005/Atom"/>')],
  ])('S5 without showing a credential that the URL of the feed repeats, if the feed %s', async (_case, answer) => {
    const token = 'a-token-that-is-secret';
    await using other = await startServer(answer);
    await using server = await startServer(page(alternate(`${other.url}/feed?sent=${token}`)));
    const config = { httpConfig: { auth: { bearer: token } } };
    const outcome: unknown = await discover(server.url, config).then(
      ({ warnings }) => warnings,
      (error: unknown) => error,
    );
    expect(inspect(outcome, { depth: 10 })).not.toContain(token);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('and its temporary failure is the failure of the discovery', async () => {
    const answers = { '/': page(alternate('/feed')), '/feed': answerWith(503, { 'Retry-After': '60' }) };
    await using server = await startServer(site(answers));
    await expect(discover(server.url)).rejects.toMatchObject({
      reason: 'http-error',
      status: 503,
      retryAfterSeconds: 60,
      message: expect.stringMatching(/^No hub found at .* Its alternate feed failed: /),
    });
  });
});
