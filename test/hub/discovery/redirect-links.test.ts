import { expect, test } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import { failureOf } from '../../kit/failure-of.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

const html = { 'Content-Type': 'text/html' };

/** Redirects from `/0` on, each with its `Link` header, to a page. */
const chain =
  (links: readonly (string | undefined)[], body: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (request, response) => {
    const index = Number(request.path.split('/')[1]);
    const link = links[index];
    if (index >= links.length) answerWith(200, { ...html, ...headers }, body)(request, response);
    else
      answerWith(302, { Location: `/${index + 1}/`, ...(link === undefined ? {} : { Link: link }) })(request, response);
  };

test('D1 the Link headers of a redirect count if the final answer names no hub', async () => {
  await using server = await startServer(chain(['<hub>; rel=hub, <topic>; rel=self'], '<p>Hello'));
  expect(await discover(`${server.url}/0/`)).toStrictEqual({
    hubs: [`${server.url}/0/hub`],
    topic: `${server.url}/0/topic`,
    url: `${server.url}/1/`,
    via: 'link-header',
  });
});

test('D1 the redirect nearest to the final answer comes first, and its links are relative to its URL', async () => {
  await using server = await startServer(
    chain(['<a>; rel=hub', '<b>; rel=hub, <topic>; rel=self', undefined, '<x>; rel=self'], '<p>Hello'),
  );
  expect(await discover(`${server.url}/0/`)).toMatchObject({
    hubs: [`${server.url}/1/b`],
    topic: `${server.url}/1/topic`,
    url: `${server.url}/4/`,
  });
});

test('D1, D6 the final URL is the topic if no self link comes with the hub', async () => {
  await using server = await startServer(chain(['<hub>; rel=hub', '<x>; rel=self'], '<link rel=self href=/x>'));
  expect(await discover(`${server.url}/0/`)).toMatchObject({
    hubs: [`${server.url}/0/hub`],
    topic: `${server.url}/2/`,
    warnings: [expect.stringContaining('no self link (link-header)')],
  });
});

test.each([
  ['Link headers', '<p>Hello', { Link: '</own>; rel=hub' }],
  ['document', '<link rel=hub href=/own>', {}],
])(
  'D1 the Link headers of redirects do not count if the final answer has a hub in its %s',
  async (_case, body, headers) => {
    await using server = await startServer(chain(['</other>; rel=hub'], body, headers));
    expect(await discover(`${server.url}/0/`)).toMatchObject({ hubs: [`${server.url}/own`] });
  },
);

test('D1 two self links in a redirect are an error, and an error without a hub names the redirects', async () => {
  await using server = await startServer(chain(['<a>; rel="hub self", <b>; rel=self'], '<p>Hello'));
  await expect(discover(`${server.url}/0/`)).rejects.toMatchObject({ reason: 'multiple-self' });
  await using hublessServer = await startServer(chain(['<a>; rel=next', undefined, '<a>; rel=self'], '<p>Hello'));
  expect(await failureOf(discover(`${hublessServer.url}/0/`))).toMatchObject({
    reason: 'no-hub',
    message: expect.stringContaining(`redirects from ${hublessServer.url}/2/, ${hublessServer.url}/0/)`),
  });
});

test('D12 a target or redirect target over 8 KiB is an error', async () => {
  const longPath = `/${'a'.repeat(8_200)}`;
  await using server = await startServer(answerWith(302, { Location: longPath }));
  for (const url of [`${server.url}/`, server.url + longPath]) {
    const error = await failureOf(discover(url));
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', reason: 'invalid-url' });
    expect(error).toHaveProperty('message', expect.stringContaining('longer than 8192 bytes'));
    expect(String(error).length).toBeLessThan(600);
  }
  expect(server.requests.map(({ path }) => path)).toEqual(['/']);
});
