import { describe, expect, onTestFinished, test } from 'vitest';
import { REASON } from '../../../src/http/answer-reasons.js';
import { SubscriptionVerificationError, UnsubscriptionVerificationError } from 'websub-subscriber';
import type { Subscription, SubscriptionVerification, UnsubscriptionVerification } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { onlySubscription } from '../../kit/only-subscription.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHub } from '../../kit/start-hub.js';
import { fieldsOf, SECRET, signatureOf, subscribed, verification, type Subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';

const DAY_MS = 86_400_000;

describe('V1 a verification', () => {
  test('of the requested topic is answered with the challenge and nothing else', async () => {
    const { sendGet, topic } = await subscribed();
    const answer = await sendGet(verification(topic.url, { 'hub.challenge': 'c9+/=~!#' }));
    expect(answer).toMatchObject({ status: 200, body: 'c9+/=~!#' });
    expect(answer.headers).toEqual({
      'content-length': '8',
      'content-type': 'text/plain; charset=utf-8',
      'content-security-policy': "default-src 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      date: expect.any(String),
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
    });
  });

  test('of another topic is rejected with 404', async () => {
    const { sendGet, topic } = await subscribed();
    const answer = await sendGet(verification(`${topic.url}2`));
    expect(answer.status).toBe(404);
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.wrongTopic });
  });

  test('on an unknown callback is rejected with 404', async () => {
    const { port, topic } = await subscribed();
    const query = new URLSearchParams(verification(topic.url)).toString();
    expect((await exchange(port, request('GET', `/websub/AAAA?${query}`))).status).toBe(404);
  });

  test('of a subscription that is being unsubscribed is rejected with 404', async () => {
    const { sendGet, topic, runtime, snapshot, hub } = await subscribed();
    await runtime.unsubscribe((await snapshot()).id);
    expect((await sendGet(verification(topic.url))).status).toBe(404);
    await hub.unsubscribed(topic);
    expect((await sendGet(verification(topic.url))).status).toBe(404);
  });

  test.each([
    ['an empty topic', { 'hub.topic': '' }, REASON.missingTopic],
    ['an empty challenge', { 'hub.challenge': '' }, REASON.missingChallenge],
    ['an empty mode', { 'hub.mode': '' }, REASON.unknownMode],
    ['an unknown mode', { 'hub.mode': 'Subscribe' }, REASON.unknownMode],
    ['a challenge over 4 KiB', { 'hub.challenge': 'x'.repeat(4097) }, REASON.longChallenge],
  ])('with %s is answered 400', async (_title, changes, reason) => {
    const { sendGet, topic, events, post } = await subscribed();
    const answer = await sendGet(verification(topic.url, changes));
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual({ reason });
    expect((await post('still there')).status).toBe(202);
    expect(events).toHaveLength(1);
  });

  test('without any hub parameter is answered 400', async () => {
    const { port, path } = await subscribed();
    for (const target of [path, `${path}?`, `${path}?id=1`]) {
      const answer = await exchange(port, request('GET', target));
      expect(answer.status).toBe(400);
      expect(fieldsOf(answer)).toEqual({ reason: REASON.missingMode });
    }
  });

  test('may have a challenge of 4 KiB', async () => {
    const { sendGet, topic } = await subscribed();
    const challenge = 'x'.repeat(4096);
    expect(await sendGet(verification(topic.url, { 'hub.challenge': challenge }))).toMatchObject({
      status: 200,
      body: challenge,
    });
  });

  test('is matched when the hub did not percent-encode the topic', async () => {
    const { port, path, topic } = await subscribed({ topic: '/feed?a=1&b=caf%C3%A9' });
    const target = `${path}?hub.mode=subscribe&hub.topic=${topic.url}&hub.challenge=c&hub.lease_seconds=60`;
    expect(await exchange(port, request('GET', target))).toMatchObject({ status: 200, body: 'c' });
  });
});

describe('V2 the lease', () => {
  test.each([
    ['is the announced hub.lease_seconds', 7_200, undefined, 7_200],
    ['is the default if hub.lease_seconds is not a number', 'soon', undefined, 86_400],
    ['is the default if hub.lease_seconds is zero', 0, undefined, 86_400],
    ['is the default if hub.lease_seconds is negative', -60, undefined, 86_400],
    ['is the default if hub.lease_seconds is empty', '', undefined, 86_400],
    ['is the default if hub.lease_seconds is missing', false, undefined, 86_400],
    ['is the requested lease if hub.lease_seconds is zero and the default is longer', 0, 60, 60],
    ['is the default if hub.lease_seconds is zero and the requested lease is longer', 0, 864_000, 86_400],
    ['is the cap if hub.lease_seconds is above the cap', 999_999_999, undefined, 31_536_000],
  ] as const)('%s', async (_title, announcedLease, leaseSeconds, seconds) => {
    const startedAt = Date.now();
    const { snapshot, logger } = await subscribed({ hub: { announcedLease }, config: { leaseSeconds } });
    const subscription = await snapshot();
    expect(subscription.leaseSeconds).toBe(seconds);
    expect(logger.events('warn')).toEqual(['public-url.local']);
    expect(subscription.verifiedAt?.getTime()).toBeGreaterThanOrEqual(startedAt);
    expect(Number(subscription.expiresAt) - Number(subscription.verifiedAt)).toBe(seconds * 1000);
  });

  test('is renewed within ten days, however long it is', async () => {
    const { snapshot } = await subscribed({ hub: { leaseSeconds: 10 * 365 * 86_400 } });
    const { renewsAt, verifiedAt, leaseSeconds } = await snapshot();
    expect(leaseSeconds).toBe(31_536_000);
    expect(Number(renewsAt) - Number(verifiedAt)).toBeGreaterThanOrEqual(7 * DAY_MS);
    expect(Number(renewsAt) - Number(verifiedAt)).toBeLessThanOrEqual(9 * DAY_MS);
  });
});

describe('V3 the verification of an unsubscription', () => {
  test('that was not requested is rejected with 404', async () => {
    const { hub, topic, callback, snapshot, post } = await subscribed();
    const { status } = await hub.verify({ topic: topic.url, callback }, { mode: 'unsubscribe' });
    expect(status).toBe(404);
    expect((await snapshot()).state).toBe('active');
    expect((await post('news')).status).toBe(202);
    expect(hub.violations).toEqual([]);
  });

  test('that was requested is confirmed each time, whatever its hub.lease_seconds', async () => {
    const { sendGet, topic, runtime, snapshot, hub } = await subscribed();
    hub.configure({ verify: 'never' });
    await runtime.unsubscribe((await snapshot()).id);
    await hub.until(() => hub.requests.length >= 2);
    const parameters = verification(topic.url, { 'hub.mode': 'unsubscribe', 'hub.lease_seconds': '-1' });
    expect((await sendGet({ ...parameters, 'hub.topic': 'http://127.0.0.1/other' })).status).toBe(404);
    expect(await sendGet(parameters)).toMatchObject({ status: 200, body: 'c9+/=' });
    expect((await snapshot()).state).toBe('unsubscribed');
    expect((await sendGet(parameters)).status).toBe(200);
  });
});

describe('V4 an unsolicited verification', () => {
  test('with a longer lease extends the expiry by at most our granted lease, and delays no renewal', async () => {
    const clock = new ManualClock(Date.now());
    const { hub, topic, callback, snapshot } = await subscribed({ hub: { leaseSeconds: 3_600 }, seams: clock });
    const before = await snapshot();
    clock.advance(600_000);
    hub.configure({ leaseSeconds: 31_536_000 });
    expect((await hub.verify({ topic: topic.url, callback })).status).toBe(200);
    const after = await snapshot();
    expect(Number(after.expiresAt) - Number(before.expiresAt)).toBe(600_000);
    expect(after.renewsAt).toEqual(before.renewsAt);
  });

  test('with a shorter lease keeps the expiry, and brings the renewal forward at most once an hour', async () => {
    const clock = new ManualClock(Date.now());
    const { hub, topic, callback, snapshot } = await subscribed({ hub: { leaseSeconds: 864_000 }, seams: clock });
    const before = await snapshot();
    const verify = (leaseSeconds: number) => {
      hub.configure({ leaseSeconds });
      return hub.verify({ topic: topic.url, callback });
    };
    expect((await verify(7_200)).status).toBe(200);
    const after = await snapshot();
    expect(after.expiresAt).toEqual(before.expiresAt);
    expect(Number(after.renewsAt)).toBeLessThan(Number(before.renewsAt));
    clock.advance(120_000);
    expect((await verify(600)).status).toBe(200);
    expect((await snapshot()).renewsAt).toEqual(after.renewsAt);
  });

  test('V9 causes at most one handler call a minute, and is confirmed without the handler in between', async () => {
    const clock = new ManualClock(Date.now());
    let calls = 0;
    const { sendGet, topic } = await subscribed({
      seams: clock,
      handlers: { onSubscriptionVerification: () => void (calls += 1) },
    });
    calls = 0;
    const askWith = (challenge: string) => sendGet(verification(topic.url, { 'hub.challenge': challenge }));
    const answers = await Promise.all(Array.from({ length: 50 }, (_each, index) => askWith(`c${index}`)));
    expect(answers.map(({ status, body }) => [status, body])).toEqual(
      answers.map((_each, index) => [200, `c${index}`]),
    );
    expect(calls).toBe(1);
    clock.advance(60_000);
    expect((await askWith('later')).body).toBe('later');
    expect(calls).toBe(2);
  });

  test('V9 that the handler refuses is answered 404 each time, and changes nothing', async () => {
    let shouldRefuse = false;
    let calls = 0;
    const { sendGet, topic, snapshot, post } = await subscribed({
      handlers: {
        onSubscriptionVerification() {
          calls += 1;
          if (shouldRefuse) throw new Error('not this one');
        },
      },
    });
    calls = 0;
    shouldRefuse = true;
    const before = await snapshot();
    for (let time = 0; time < 3; time += 1) expect((await sendGet(verification(topic.url))).status).toBe(404);
    expect(calls).toBe(1);
    expect(await snapshot()).toEqual(before);
    expect((await post('news')).status).toBe(202);
  });
});

describe('V9 a verification that comes while the request is in flight', () => {
  test('activates the subscription at once, and a new subscribe request follows if the request then fails', async () => {
    const world = new FakeWorld();
    const hub = await startHub({ fail: { status: 500, verifyFirst: true } });
    const topic = hub.topic('/feed');
    const { service, received } = recordingService();
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    const releaseAnswer = hub.holdBack('answer');
    await runtime.subscribe(service, { target: { hub: hub.url, topic: topic.url } });
    await hub.verified(topic);
    const snapshot = (): Promise<Subscription> => onlySubscription(runtime);
    expect(await snapshot()).toMatchObject({ state: 'active', attempts: 0 });
    await topic.publish('news');
    expect(received).toEqual(['news']);
    releaseAnswer();
    await expect.poll(async () => (await snapshot()).attempts).toBe(1);
    expect(await snapshot()).toMatchObject({ state: 'active', lastError: { cause: 'hub-error' } });
    hub.configure({ fail: false });
    world.advance(2_000);
    await hub.until(() => hub.requests.length === 2);
    await expect.poll(async () => (await snapshot()).attempts).toBe(0);
  });
});

describe('V4 a late verification', () => {
  test('is accepted even after the last attempt has failed', async () => {
    const clock = new ManualClock(Date.now());
    const { hub, topic, callback, snapshot } = await subscribed({
      hub: { verify: 'never' },
      config: { maxAttempts: 1, verifyTimeoutSeconds: 60 },
      unverified: true,
      seams: clock,
    });
    clock.advance(61_000);
    await expect.poll(async () => (await snapshot()).gaveUp).toBe(true);
    hub.configure({ verify: 'async' });
    expect((await hub.verify({ topic: topic.url, callback })).status).toBe(200);
    expect((await snapshot()).state).toBe('active');
  });
});

test("V5 the last value of a repeated parameter counts, not that of the callback's own query", async () => {
  const { port, path, topic } = await subscribed();
  const query = new URLSearchParams(verification(topic.url, { 'hub.challenge': 'theirs' })).toString();
  const target = `${path}?id=42&%FF=%FF&hub.mode=denied&hub.topic=http%3A%2F%2Fother.test%2F&hub.challenge=ours&${query}`;
  expect(await exchange(port, request('GET', target))).toMatchObject({ status: 200, body: 'theirs' });
});

/** A subscription whose next renewal the hub accepts but does not verify. */
async function renewing(): Promise<Subscribed & { readonly renew: () => Promise<void> }> {
  const clock = new ManualClock(Date.now());
  const subscriber = await subscribed({ hub: { leaseSeconds: 36_000 }, seams: clock });
  const { hub } = subscriber;
  return {
    ...subscriber,
    async renew() {
      hub.configure({ verify: 'never' });
      const { length } = hub.requests;
      clock.advance(34_000_000);
      await hub.until(() => hub.requests.length > length);
      await hub.settled();
    },
  };
}

describe('V6 a renewal', () => {
  test('leaves the working subscription unchanged until it is verified', async () => {
    const { hub, topic, callback, snapshot, post, events, renew } = await renewing();
    const before = await snapshot();
    await renew();
    expect(await snapshot()).toMatchObject({ state: 'active', expiresAt: before.expiresAt, callback: before.callback });
    expect((await post('old')).status).toBe(202);
    hub.configure({ verify: 'async' });
    expect((await hub.verify({ topic: topic.url, callback })).status).toBe(200);
    expect(Number((await snapshot()).expiresAt)).toBeGreaterThan(Number(before.expiresAt));
    expect((await post('new')).status).toBe(202);
    expect(events.map((event) => event.text())).toEqual(['old', 'new']);
  });

  test('whose verification is rejected leaves the working subscription unchanged', async () => {
    const { sendGet, snapshot, post, renew } = await renewing();
    const before = await snapshot();
    await renew();
    expect((await sendGet(verification('http://127.0.0.1/other'))).status).toBe(404);
    expect(await snapshot()).toMatchObject({ state: 'active', expiresAt: before.expiresAt });
    expect((await post('old', { 'X-Hub-Signature': signatureOf('old', 'sha1', SECRET) })).status).toBe(202);
  });
});

describe('V7 the service', () => {
  test('gets the parameters of a verification, the subscription and the grant', async () => {
    const verifications: SubscriptionVerification[] = [];
    const { topic, callback } = await subscribed({
      handlers: { onSubscriptionVerification: (verification) => void verifications.push(verification) },
      hub: { leaseSeconds: 777 },
    });
    expect(verifications).toEqual([
      {
        mode: 'subscribe',
        topic: topic.url,
        challenge: expect.stringMatching(/^.{40,}$/),
        leaseSeconds: 777,
        subscription: expect.objectContaining({ state: 'verifying', service: 'News' }),
        grant: expect.objectContaining({ callback, topic: topic.url }),
      },
    ]);
  });

  test.each(['perpetual', 0, -5] as const)('gets no leaseSeconds for the lease %s', async (leaseSeconds) => {
    const verifications: SubscriptionVerification[] = [];
    await subscribed({
      handlers: { onSubscriptionVerification: (verification) => void verifications.push(verification) },
      hub: { leaseSeconds },
    });
    expect(verifications[0]).not.toHaveProperty('leaseSeconds');
  });

  test('adds headers to the confirmation, but cannot change its status, body or reserved headers', async () => {
    const { sendGet, topic } = await subscribed({
      handlers: {
        onSubscriptionVerification: async () => ({
          headers: {
            'X-One': 'one',
            'X-Two': ['two', 'three'],
            'Set-Cookie': 'a=b',
            Location: 'http://elsewhere.test/',
            'Content-Type': 'text/html',
            'Content-Length': '1',
            'Transfer-Encoding': 'chunked',
            'Cache-Control': 'public',
            'X-Control': 'a\u0001b',
            'X-Split': 'a\r\nb: c',
            'X-Wide': '潮',
            'X Name': 'space',
          },
        }),
      },
    });
    const answer = await sendGet(verification(topic.url));
    expect(answer).toMatchObject({ status: 200, body: 'c9+/=' });
    expect(answer.headers).toEqual({
      'x-one': 'one',
      'x-two': 'two, three',
      'content-security-policy': "default-src 'none'",
      'content-length': '5',
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      date: expect.any(String),
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
    });
  });

  test('refuses a subscription by throwing: the hub gets 404, and no further subscribe request', async () => {
    const refuse = (): never => {
      throw new SubscriptionVerificationError('not & never', { headers: { 'X-Why': 'because' }, body: { more: 'ü' } });
    };
    const { hub, sendGet, topic, snapshot, post } = await subscribed({
      handlers: { onSubscriptionVerification: refuse },
      unverified: true,
    });
    await hub.until(() => hub.subscriptions[0]?.state === 'refused');
    expect(hub.deliveries).toHaveLength(1);
    expect(hub.deliveries[0]).toMatchObject({ status: 404, body: 'reason=not+%26+never&more=%C3%BC' });
    expect(hub.deliveries[0]?.headers.get('x-why')).toBe('because');
    expect(await snapshot()).toMatchObject({
      state: 'failed',
      gaveUp: true,
      lastError: { cause: 'handler-refused', message: 'not & never', code: 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION' },
    });
    expect((await snapshot()).nextAttemptAt).toBeUndefined();
    expect((await sendGet(verification(topic.url))).status).toBe(404);
    expect(hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    const rejectedDelivery = await post('news');
    expect(rejectedDelivery.status).toBe(404);
    expect(fieldsOf(rejectedDelivery)).toEqual({ reason: REASON.refusedByHandler });
  });

  test('refuses a subscription also by throwing a string', async () => {
    const { hub } = await subscribed({
      handlers: {
        onSubscriptionVerification: async () => {
          throw 'a word';
        },
      },
      unverified: true,
    });
    await hub.until(() => hub.subscriptions[0]?.state === 'refused');
    expect(hub.deliveries[0]).toMatchObject({ status: 404, body: 'reason=a+word' });
  });

  test('is not called for a verification that the runtime itself rejects', async () => {
    const verifications: unknown[] = [];
    const { sendGet, topic } = await subscribed({
      handlers: {
        onSubscriptionVerification: (verification) => void verifications.push(verification),
        onUnsubscriptionVerification: (verification) => void verifications.push(verification),
      },
    });
    verifications.length = 0;
    expect((await sendGet(verification(`${topic.url}2`))).status).toBe(404);
    expect((await sendGet(verification(topic.url, { 'hub.mode': 'unsubscribe' }))).status).toBe(404);
    expect((await sendGet(verification(topic.url, { 'hub.challenge': '' }))).status).toBe(400);
    expect(verifications).toEqual([]);
  });

  test('keeps a subscription by refusing its unsubscription', async () => {
    const verifications: UnsubscriptionVerification[] = [];
    const { hub, topic, snapshot, runtime, post } = await subscribed({
      config: { unsubscribeOnShutdown: false },
      handlers: {
        onUnsubscriptionVerification: (verification) => {
          verifications.push(verification);
          throw new UnsubscriptionVerificationError('stay', { body: { more: 'news' } });
        },
      },
    });
    await runtime.unsubscribe((await snapshot()).id);
    await hub.until(() => hub.deliveries.length === 2);
    expect(hub.deliveries[1]).toMatchObject({ status: 404, body: 'reason=stay&more=news' });
    expect(verifications).toEqual([expect.objectContaining({ mode: 'unsubscribe', topic: topic.url })]);
    expect(verifications[0]).not.toHaveProperty('leaseSeconds');
    expect((await snapshot()).state).toBe('active');
    expect((await post('news')).status).toBe(202);
  });

  test('adds headers to the confirmation of an unsubscription', async () => {
    const { hub, snapshot, runtime, topic } = await subscribed({
      handlers: { onUnsubscriptionVerification: () => ({ headers: { 'x-bye': 'bye' } }) },
    });
    await runtime.unsubscribe((await snapshot()).id);
    await hub.unsubscribed(topic);
    expect(hub.deliveries.at(-1)?.headers.get('x-bye')).toBe('bye');
  });
});

test.each(['<', '>', '"', "'", '`', '&', '\\', ' ', 'é'])(
  'V8 a verification whose challenge contains %s is answered with 400',
  async (character) => {
    const { sendGet, topic } = await subscribed();
    const answer = await sendGet(verification(topic.url, { 'hub.challenge': `a${character}b` }));
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual({ reason: REASON.unsafeChallenge });
  },
);

describe('C8 a HEAD request', () => {
  test('is answered like a GET, without a body and without effect', async () => {
    const verifications: unknown[] = [];
    const { port, path, topic, snapshot } = await subscribed({
      handlers: { onSubscriptionVerification: (verification) => void verifications.push(verification) },
    });
    const head = async (changes: Readonly<Record<string, string>>): Promise<number> => {
      const query = new URLSearchParams(verification(topic.url, changes)).toString();
      const answer = await exchange(port, request('HEAD', `${path}?${query}`), { toHead: true });
      expect(answer.body).toBe('');
      return answer.status;
    };
    const before = await snapshot();
    verifications.length = 0;
    expect(await head({})).toBe(200);
    expect(await head({ 'hub.mode': 'denied' })).toBe(200);
    expect(await head({ 'hub.mode': 'hub-error' })).toBe(200);
    expect(await head({ 'hub.topic': 'http://127.0.0.1/other' })).toBe(404);
    expect(await head({ 'hub.mode': 'denied', 'hub.topic': 'http://127.0.0.1/other' })).toBe(404);
    expect(await head({ 'hub.mode': 'unsubscribe' })).toBe(404);
    expect(await head({ 'hub.mode': 'something' })).toBe(400);
    expect(verifications).toEqual([]);
    expect(await snapshot()).toEqual(before);
  });
});

test('S4 a verification may lack the verify token, but one with another token is rejected with 404', async () => {
  const { sendGet, hub, topic } = await subscribed({
    config: { protocol: 'pubsubhubbub-0.3' },
    hub: { protocol: 'pubsubhubbub-0.3' },
  });
  const { 'hub.verify_token': token = '' } = Object.fromEntries(new URLSearchParams(hub.requests[0]?.body.toString()));
  expect(token).not.toBe('');
  expect((await sendGet(verification(topic.url, { 'hub.verify_token': token }))).status).toBe(200);
  expect((await sendGet(verification(topic.url))).status).toBe(200);
  expect((await sendGet(verification(topic.url, { 'hub.verify_token': 'another' }))).status).toBe(404);
  expect((await sendGet(verification(topic.url, { 'hub.verify_token': token.replace(/.$/, '!') }))).status).toBe(404);
});
