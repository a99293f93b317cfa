import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { discover } from '../../../src/hub/discovery/discover.js';
import { fetchTopic } from '../../../src/hub/discovery/fetch-topic.js';
import { sendHubRequest } from '../../../src/hub/request/hub-request.js';
import { credentialsIn } from '../../../src/hub/redaction/credential-redactor.js';
import { failureOf } from '../../kit/failure-of.js';
import { startServer, answerWith, type Answer } from '../../kit/recording-server.js';

const TOKEN = 'K7dfJ_29-qLm4WxZ';
const auth = { bearer: TOKEN };

/** Redirects to a path that contains the received credentials, and answers there. */
const echoing =
  (answer: Answer): Answer =>
  (request, response) => {
    const { authorization = '', cookie = '' } = request.headers;
    const echoPath = `/login/${encodeURIComponent(`${authorization} ${cookie}`)}/${Buffer.from(authorization).toString('base64url')}`;
    if (request.path.startsWith('/login')) answer(request, response);
    else response.writeHead(302, { location: echoPath }).end();
  };

describe('the credentials in the header', () => {
  it.each([
    ['authorization', 'Bearer abc', ['abc']],
    ['authorization', `Basic ${btoa('me:pass:word')}`, [btoa('me:pass:word'), 'pass:word']],
    ['cookie', 'sid=abc=; theme=dark', ['abc=', 'dark']],
    ['x-api-key', 'abc', ['abc']],
  ])('"%s: %s" are %j', (name, value, credentials) => {
    expect(credentialsIn(name, value)).toEqual(credentials);
  });
});

describe('a credential that a publisher echoes', () => {
  const config = { httpConfig: { auth, headers: { Cookie: `sid=${TOKEN}xyz; theme=dark`, 'X-Client': 'discover' } } };

  it.each([
    ['a failure', answerWith(404), /answered 404/],
    ['a page without a hub', answerWith(200, { 'content-type': `text/${TOKEN}` }, '<p>'), /No hub found at/],
  ])('is not in the error of %s', async (_name, answer, message) => {
    await using server = await startServer(echoing(answer));
    const error = await failureOf(discover(server.url, config));
    expect(error).toMatchObject({ code: 'ERR_WEBSUB_DISCOVERY', message: expect.stringMatching(message) });
    expect(error).toMatchObject({ message: expect.stringContaining('/login/') });
    expect(error).toMatchObject({ message: expect.stringContaining('[redacted]') });
    expect(JSON.stringify([error, String(error), error instanceof Error && error.stack])).not.toMatch(/29-qLm4W/);
  });

  it('is not in a warning', async () => {
    await using server = await startServer(echoing(answerWith(200, { Link: '<https://hub.example/>; rel=hub' })));
    const { warnings } = await discover(server.url, config);
    expect(warnings).toEqual([expect.stringContaining('[redacted]')]);
    expect(warnings?.join()).not.toMatch(/29-qLm4W/);
  });

  it('is not in the error of a topic fetch', async () => {
    await using server = await startServer(echoing(answerWith(500)));
    const request = { config, configuredUrl: server.url, allowPrivateNetworks: false, maxBytes: 1_000 };
    const error = await failureOf(fetchTopic(server.url, request));
    expect(error).toMatchObject({ status: 500, reason: 'http-error' });
    expect(String(error)).toContain('[redacted]');
    expect(String(error)).not.toMatch(/29-qLm4W/);
  });

  it('is not confused with short words', async () => {
    await using server = await startServer(answerWith(404));
    const error = await failureOf(discover(`${server.url}/discover?dark`, config));
    expect(error).toMatchObject({ message: expect.stringContaining(`${server.url}/discover?dark answered 404`) });
  });
});

describe('a credential that a hub echoes', () => {
  const request = {
    mode: 'subscribe',
    topic: 'https://example.com/feed',
    callback: 'https://me.example.com/1',
  } as const;

  it('S3 is not in the error, not even as an encoded fragment', async () => {
    const parts = [
      TOKEN.slice(2),
      Buffer.from(TOKEN).toString('hex').slice(5),
      Buffer.from(`x${TOKEN}`).toString('base64'),
    ];
    await using server = await startServer(answerWith(400, {}, parts.join(', ')));
    const error = await failureOf(sendHubRequest(server.url, request, { httpConfig: { auth } }));
    expect(String(error)).toMatch(/answered 400: "\[redacted\], \[redacted\], \S{0,5}\[redacted\]\S{0,3}"\.$/);
  });

  it('S3 is neither in the message nor in a cause if it is part of a host name', async () => {
    const cause = new Error(`no route to ${TOKEN}.example`);
    const dispatcher = new Agent({ connect: (_options, callback) => callback(cause, null) });
    const error = await failureOf(sendHubRequest('http://hub.test/', request, { httpConfig: { auth, dispatcher } }));
    expect(error).toMatchObject({ message: expect.stringContaining('no route to [redacted].example') });
    expect(error).not.toHaveProperty('cause');
  });
});
