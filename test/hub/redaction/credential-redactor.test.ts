import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import { fetchTopic } from '../../../src/hub/discovery/fetch-topic.js';
import { sendHubRequest } from '../../../src/hub/request/hub-request.js';
import { credentialsIn } from '../../../src/hub/redaction/credential-redactor.js';
import { rejection, startServer, status, type Answer } from '../../kit/recording-server.js';

const TOKEN = 'K7dfJ_29-qLm4WxZ';
const auth = { bearer: TOKEN };

/** Redirects to where the path has the credentials in it, and answers there. */
const echoing =
  (answer: Answer): Answer =>
  (request, response) => {
    const { authorization = '', cookie = '' } = request.headers;
    const echoed = `/login/${encodeURIComponent(`${authorization} ${cookie}`)}/${Buffer.from(authorization).toString('base64url')}`;
    if (request.path.startsWith('/login')) answer(request, response);
    else response.writeHead(302, { location: echoed }).end();
  };

describe('the credentials in a header', () => {
  it.each([
    ['authorization', 'Bearer abc', ['abc']],
    ['authorization', `Basic ${btoa('me:pass:word')}`, [btoa('me:pass:word'), 'pass:word']],
    ['cookie', 'sid=abc=; theme=dark', ['abc=', 'dark']],
    ['x-api-key', 'abc', ['abc']],
  ])('%s: %s', (name, value, credentials) => {
    expect(credentialsIn(name, value)).toEqual(credentials);
  });
});

describe('what a publisher sends back of its credentials', () => {
  const config = { httpConfig: { auth, headers: { Cookie: `sid=${TOKEN}xyz; theme=dark`, 'X-Client': 'discover' } } };

  it.each([
    ['a failure', status(404), /answered 404/],
    ['a page without a hub', status(200, { 'content-type': `text/${TOKEN}` }, '<p>'), /No hub is named by/],
  ])('is in no message: %s', async (_name, answer, told) => {
    await using server = await startServer(echoing(answer));
    const error = await rejection(discover(server.url, config));
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', message: expect.stringMatching(told) });
    expect(error).toMatchObject({ message: expect.stringContaining('/login/') });
    expect(error).toMatchObject({ message: expect.stringContaining('[redacted]') });
    expect(JSON.stringify([error, String(error), error instanceof Error && error.stack])).not.toMatch(/29-qLm4W/);
  });

  it('is in no warning', async () => {
    await using server = await startServer(echoing(status(200, { Link: '<https://hub.example/>; rel=hub' })));
    const { warnings } = await discover(server.url, config);
    expect(warnings).toEqual([expect.stringContaining('[redacted]')]);
    expect(warnings?.join()).not.toMatch(/29-qLm4W/);
  });

  it('is in no failure to fetch a topic', async () => {
    await using server = await startServer(echoing(status(500)));
    const request = { config, givenBy: server.url, allowPrivateNetworks: false, maxBytes: 1_000 };
    const error = await rejection(fetchTopic(server.url, request));
    expect(error).toMatchObject({ status: 500, reason: 'http-error' });
    expect(String(error)).toContain('[redacted]');
    expect(String(error)).not.toMatch(/29-qLm4W/);
  });

  it('leaves words alone that were no credentials', async () => {
    await using server = await startServer(status(404));
    const error = await rejection(discover(`${server.url}/discover?dark`, config));
    expect(error).toMatchObject({ message: expect.stringContaining(`${server.url}/discover?dark answered 404`) });
  });
});

describe('what a hub sends back of its credentials', () => {
  const request = {
    mode: 'subscribe',
    topic: 'https://example.com/feed',
    callback: 'https://me.example.com/1',
  } as const;

  it('S3 is in no message: runs of them, encoded', async () => {
    const parts = [
      TOKEN.slice(2),
      Buffer.from(TOKEN).toString('hex').slice(5),
      Buffer.from(`x${TOKEN}`).toString('base64'),
    ];
    await using server = await startServer(status(400, {}, parts.join(', ')));
    const error = await rejection(sendHubRequest(server.url, request, { httpConfig: { auth } }));
    expect(String(error)).toMatch(/answered 400: "\[redacted\], \[redacted\], \S{0,5}\[redacted\]\S{0,3}"$/);
  });

  it('S3 is in no message, and in no cause: a host where it redirects', async () => {
    const cause = new Error(`no route to ${TOKEN}.example`);
    const dispatcher = new Agent({ connect: (_options, tell) => tell(cause, null) });
    const error = await rejection(sendHubRequest('http://hub.test/', request, { httpConfig: { auth, dispatcher } }));
    expect(error).toMatchObject({ message: expect.stringContaining('no route to [redacted].example') });
    expect(error).not.toHaveProperty('cause');
  });
});
