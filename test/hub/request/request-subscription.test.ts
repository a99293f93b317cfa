import type { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/errors.js';
import { requestSubscription, requestUnsubscription } from '../../../src/hub/request/request-subscription.js';
import { closedPort, everyHostHere, rejection, startServer, status, type Answer } from '../../kit/recording-server.js';

const asked = { topic: 'https://example.com/feed', callback: 'https://me.example.com/websub/1' };
const hub = 'http://hub.test/hub';

/** A machine that answers http and https, each in its own way, at every name. */
async function machine(answers: { http: Answer; https?: Answer }) {
  const plain = await startServer(answers.http);
  const secure = answers.https === undefined ? undefined : await startServer(answers.https, { tls: true });
  const dispatcher: Agent = everyHostHere({ http: plain.port, https: secure?.port ?? (await closedPort()) });
  return {
    plain: plain.requests,
    secure: secure?.requests ?? [],
    httpConfig: { dispatcher },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.destroy();
      await plain[Symbol.asyncDispose]();
      await secure?.[Symbol.asyncDispose]();
    },
  };
}

describe('requestSubscription and requestUnsubscription', () => {
  it('S1 ask the hub with their mode and say where it was accepted', async () => {
    await using server = await startServer(status(202));
    const accepted = { hub: server.url, topic: asked.topic, status: 202, moved: false };
    expect(await requestSubscription(server.url, { ...asked, leaseSeconds: 60 })).toEqual(accepted);
    expect(await requestUnsubscription(server.url, asked)).toEqual(accepted);
    expect(server.requests.map(({ body }) => new URLSearchParams(body).get('hub.mode'))).toEqual([
      'subscribe',
      'unsubscribe',
    ]);
  });

  it('S4 ask a 0.3 hub in its own way', async () => {
    await using server = await startServer(status(204));
    await requestSubscription(server.url, { ...asked, protocol: 'pubsubhubbub-0.3', verifyToken: 'token' });
    expect(server.requests[0]?.body).toMatch(/&hub\.verify=async&hub\.verify=sync&hub\.verify_token=token$/);
  });

  it('reject when a hub or parameter is wrong', async () => {
    for (const wrong of ['hub.test', 'https://u:p@hub.test/']) {
      expect(await rejection(requestSubscription(wrong, asked))).toBeInstanceOf(ConfigurationError);
    }
    const secret = 'x'.repeat(200);
    expect(await rejection(requestSubscription('http://hub.test/', { ...asked, secret }))).toBeInstanceOf(
      ConfigurationError,
    );
  });
});

describe('a hub given as http', () => {
  it('S7 is asked over https, and what works is handed back', async () => {
    await using here = await machine({ http: status(202), https: status(202) });
    expect(await requestSubscription(hub, { ...asked, secret: 'secret' }, here.httpConfig)).toEqual({
      hub: 'https://hub.test/hub',
      topic: asked.topic,
      status: 202,
      moved: false,
    });
    expect(here.plain).toHaveLength(0);
  });

  it('S7 is asked over http when nobody answers at https', async () => {
    await using here = await machine({ http: status(202) });
    expect(await requestSubscription(hub, asked, here.httpConfig)).toMatchObject({ hub, moved: false });
    expect(here.plain).toHaveLength(1);
  });

  it.each([404, 405, 421, 501, 301, 302, 303])('S7 is asked over http when https answers %i', async (code) => {
    await using here = await machine({ http: status(202), https: status(code) });
    expect(await requestSubscription(hub, asked, here.httpConfig)).toMatchObject({ hub });
    expect(here.plain).toHaveLength(1);
  });

  it('S7 is asked over http when https does not answer in time', async () => {
    await using here = await machine({ http: status(202), https: () => {} });
    expect(await requestSubscription(hub, asked, { ...here.httpConfig, timeoutMs: 500 })).toMatchObject({ hub });
  });

  it.each([400, 403, 409, 429, 500])("S7 keeps the https form's own answer, %i", async (code) => {
    await using here = await machine({ http: status(202), https: status(code) });
    expect(await rejection(requestSubscription(hub, asked, here.httpConfig))).toMatchObject({
      hub: 'https://hub.test/hub',
      status: code,
    });
    expect(here.plain).toHaveLength(0);
  });

  it('S5 does not get the secret over http when https fails, and the error tells of both', async () => {
    await using here = await machine({ http: status(202) });
    const error = await rejection(requestSubscription(hub, { ...asked, secret: 's3cret' }, here.httpConfig));
    expect(error).toMatchObject({
      reason: 'forbidden',
      hub,
      message: expect.stringMatching(/plain HTTP.*Tried over https before: .*ECONNREFUSED/),
    });
    expect(String(error)).not.toContain('s3cret');
    expect(here.plain).toHaveLength(0);
  });

  it('S7 fails with the answer over http where both fail', async () => {
    await using here = await machine({ http: status(503, { 'retry-after': '9' }, 'busy'), https: status(404) });
    expect(await rejection(requestSubscription(hub, asked, here.httpConfig))).toMatchObject({
      reason: 'temporary',
      hub,
      status: 503,
      retryAfterSeconds: 9,
      message: expect.stringMatching(/answered 503: "busy"\. Tried over https before: .* answered 404$/),
    });
  });
});
