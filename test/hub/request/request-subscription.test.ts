import type { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/errors.js';
import { requestSubscription, requestUnsubscription } from '../../../src/hub/request/request-subscription.js';
import { unusedPort } from '../../kit/ports.js';
import { everyHostHere, startServer, answerWith, type Answer } from '../../kit/recording-server.js';
import { failureOf } from '../../kit/failure-of.js';

const request = { topic: 'https://example.com/feed', callback: 'https://me.example.com/websub/1' };
const hub = 'http://hub.test/hub';

/** Starts a machine that answers http and https with separate answers, under every name. */
async function startMachine(answers: { http: Answer; https?: Answer }) {
  const httpServer = await startServer(answers.http);
  const httpsServer = answers.https === undefined ? undefined : await startServer(answers.https, { tls: true });
  const dispatcher: Agent = everyHostHere({ http: httpServer.port, https: httpsServer?.port ?? (await unusedPort()) });
  return {
    httpRequests: httpServer.requests,
    httpsRequests: httpsServer?.requests ?? [],
    httpConfig: { dispatcher },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.destroy();
      await httpServer[Symbol.asyncDispose]();
      await httpsServer?.[Symbol.asyncDispose]();
    },
  };
}

describe('requestSubscription and requestUnsubscription', () => {
  it('S1 send their mode to the hub and return the hub that accepted', async () => {
    await using server = await startServer(answerWith(202));
    const result = { hub: server.url, topic: request.topic, status: 202, moved: false };
    expect(await requestSubscription(server.url, { ...request, leaseSeconds: 60 })).toEqual(result);
    expect(await requestUnsubscription(server.url, request)).toEqual(result);
    expect(server.requests.map(({ body }) => new URLSearchParams(body).get('hub.mode'))).toEqual([
      'subscribe',
      'unsubscribe',
    ]);
  });

  it('S4 send the parameters of PubSubHubbub 0.3 to a 0.3 hub', async () => {
    await using server = await startServer(answerWith(204));
    await requestSubscription(server.url, { ...request, protocol: 'pubsubhubbub-0.3', verifyToken: 'token' });
    expect(server.requests[0]?.body).toMatch(/&hub\.verify=async&hub\.verify=sync&hub\.verify_token=token$/);
  });

  it('reject an invalid hub or parameter', async () => {
    for (const invalidHub of ['hub.test', 'https://u:p@hub.test/']) {
      expect(await failureOf(requestSubscription(invalidHub, request))).toBeInstanceOf(ConfigurationError);
    }
    const secret = 'x'.repeat(200);
    expect(await failureOf(requestSubscription('http://hub.test/', { ...request, secret }))).toBeInstanceOf(
      ConfigurationError,
    );
  });
});

describe('a hub with an http URL', () => {
  it('S7 gets the request over https, and the URL that works is returned', async () => {
    await using server = await startMachine({ http: answerWith(202), https: answerWith(202) });
    expect(await requestSubscription(hub, { ...request, secret: 'secret' }, server.httpConfig)).toEqual({
      hub: 'https://hub.test/hub',
      topic: request.topic,
      status: 202,
      moved: false,
    });
    expect(server.httpRequests).toHaveLength(0);
  });

  it('S7 gets the request over http if there is no server at https', async () => {
    await using server = await startMachine({ http: answerWith(202) });
    expect(await requestSubscription(hub, request, server.httpConfig)).toMatchObject({ hub, moved: false });
    expect(server.httpRequests).toHaveLength(1);
  });

  it.each([404, 405, 421, 501, 301, 302, 303])('S7 gets the request over http if https answers %i', async (code) => {
    await using server = await startMachine({ http: answerWith(202), https: answerWith(code) });
    expect(await requestSubscription(hub, request, server.httpConfig)).toMatchObject({ hub });
    expect(server.httpRequests).toHaveLength(1);
  });

  it('S7 gets the request over http if https does not answer in time', async () => {
    await using server = await startMachine({ http: answerWith(202), https: () => {} });
    expect(await requestSubscription(hub, request, { ...server.httpConfig, timeoutMs: 500 })).toMatchObject({ hub });
  });

  it.each([400, 403, 409, 429, 500])('S7 fails with the answer %i of its https form', async (code) => {
    await using server = await startMachine({ http: answerWith(202), https: answerWith(code) });
    expect(await failureOf(requestSubscription(hub, request, server.httpConfig))).toMatchObject({
      hub: 'https://hub.test/hub',
      status: code,
    });
    expect(server.httpRequests).toHaveLength(0);
  });

  it('S5 does not get the secret over http if https fails, and the error reports both failures', async () => {
    await using server = await startMachine({ http: answerWith(202) });
    const error = await failureOf(requestSubscription(hub, { ...request, secret: 's3cret' }, server.httpConfig));
    expect(error).toMatchObject({
      reason: 'forbidden',
      hub,
      message: expect.stringMatching(/plain HTTP.* over https failed before: .*ECONNREFUSED/),
    });
    expect(String(error)).not.toContain('s3cret');
    expect(server.httpRequests).toHaveLength(0);
  });

  it('S7 fails with the answer over http if both fail', async () => {
    await using server = await startMachine({
      http: answerWith(503, { 'retry-after': '9' }, 'busy'),
      https: answerWith(404),
    });
    expect(await failureOf(requestSubscription(hub, request, server.httpConfig))).toMatchObject({
      reason: 'temporary',
      hub,
      status: 503,
      retryAfterSeconds: 9,
      message: expect.stringMatching(/answered 503: "busy"\. .* over https failed before: .* answered 404\.$/),
    });
  });
});
