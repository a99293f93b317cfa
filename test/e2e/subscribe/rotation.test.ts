import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigurationError, defineSubscriber, WebSubError, type SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub, type HubFaults, type ReceivedRequest } from 'websub-subscriber/testing';
import { signatureOf } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilSettled } from '../../kit/until-idle.js';
import { failureOf } from '../../kit/failure-of.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const isSubscribing = ({ method, form }: ReceivedRequest): boolean =>
  method === 'POST' && form.get('hub.mode') === 'subscribe';

/** A subscription with a generated secret, at a hub with these faults. */
async function startActive(config: SubscriberServiceConfig = {}, faults: HubFaults = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now, leaseSeconds: 864_000, ...faults });
  const topic = hub.topic('/feed');
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'News', target: topic.url, secret: 'auto', unsubscribeOnShutdown: false, ...config },
    { onEventNotification: (event) => void received.push(event.text()) },
  );
  const runtime = await world.start(service, { security: { allowInsecureSecret: true } });
  onTestFinished(() => runtime.stopNow());
  await runtime.ready();
  const snapshot = () => onlySubscription(runtime);
  const { id, callback = '' } = await snapshot();
  const secret = hub.requests.find(isSubscribing)?.form.get('hub.secret') ?? '';
  /** Sends content like a hub that still has an old callback or secret. */
  const sendLate = async (to: string, signedWith: string, body = 'late'): Promise<number> => {
    const headers = { 'X-Hub-Signature': signatureOf(body, 'sha256', signedWith) };
    return (await exchange(runtime.port ?? 0, request('POST', new URL(to).pathname, headers, body))).status;
  };
  const settle = (): Promise<void> => untilSettled(hub);
  return { world, hub, topic, received, service, runtime, snapshot, id, callback, secret, sendLate, settle };
}

const subscribeRequests = (hub: TestHub): ReceivedRequest[] => hub.requests.filter(isSubscribing);

describe('rotateSecret(id)', () => {
  it.each(['verification', 'request'] as const)(
    'gives the hub another secret, and no event is lost if the hub applies it at the %s',
    async (secretFrom) => {
      const { hub, topic, runtime, id, callback, secret, snapshot, received, settle } = await startActive(
        {},
        { secretFrom },
      );
      const releaseVerification = hub.holdBack('verification');
      await runtime.rotateSecret(id);
      await hub.until(() => subscribeRequests(hub).length === 2);
      expect((await topic.publish('before it is verified')).map(({ status }) => status)).toEqual([202]);
      releaseVerification();
      await settle();
      expect((await topic.publish('after')).map(({ status }) => status)).toEqual([202]);
      const newSecret = subscribeRequests(hub)[1]?.form.get('hub.secret');
      expect(newSecret).toMatch(/^[\da-f]{64}$/);
      expect(newSecret).not.toBe(secret);
      expect(await snapshot()).toMatchObject({ id, callback, state: 'active' });
      expect(received).toEqual(['before it is verified', 'after']);
    },
  );

  it('V6 accepts content signed with the old secret for a day', async () => {
    const { world, runtime, id, callback, secret, settle, sendLate } = await startActive();
    await runtime.rotateSecret(id);
    await settle();
    world.advance(DAY_MS - 1_000);
    expect(await sendLate(callback, secret)).toBe(202);
    world.advance(2_000);
    expect(await sendLate(callback, secret)).toBe(403);
  });

  it('repeats the new secret if the request is retried', async () => {
    const { world, hub, runtime, id, settle } = await startActive();
    hub.fail(503, { times: 1 });
    await runtime.rotateSecret(id);
    await settle();
    world.advance(2_000);
    await hub.until(() => subscribeRequests(hub).length === 3);
    const [, second, third] = subscribeRequests(hub).map(({ form }) => form.get('hub.secret'));
    expect(third).toBe(second);
  });

  it.each([
    [{ secret: 'a fixed one that is long' }, /a fixed string \(not shown\)/],
    [{ secret: false as const }, /secret is false/],
    [{ secret: undefined }, /has no secret to rotate/],
  ])('rejects with a ConfigurationError if the secret is fixed or missing (%o)', async (config, message) => {
    const { runtime, id, hub } = await startActive(config);
    const failure = await failureOf(runtime.rotateSecret(id));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(message);
    expect(failure.message).not.toContain('a fixed one');
    expect(subscribeRequests(hub)).toHaveLength(1);
  });
});

describe('rotateCallback(id)', () => {
  it('gives the hub another callback; the old callback works until it is unsubscribed, then answers 410', async () => {
    const { hub, topic, runtime, id, callback, secret, snapshot, received, sendLate, settle } = await startActive();
    const releaseVerification = hub.holdBack('verification');
    await runtime.rotateCallback(id);
    await hub.until(() => subscribeRequests(hub).length === 2);
    expect(await snapshot()).toMatchObject({ state: 'active', callback });
    expect((await topic.publish('to the old one')).map(({ status }) => status)).toEqual([202]);
    releaseVerification();
    await hub.until(() =>
      hub.subscriptions.some((atHub) => atHub.callback === callback && atHub.state === 'unsubscribed'),
    );
    await settle();
    const after = await snapshot();
    expect(after).toMatchObject({ id, state: 'active' });
    expect(after.callback).not.toBe(callback);
    expect((await topic.publish('to the new one')).map(({ status }) => status)).toEqual([202]);
    expect(await sendLate(callback, secret)).toBe(410);
    expect(received).toEqual(['to the old one', 'to the new one']);
    expect(hub.violations).toEqual([]);
  });

  it('keeps the old callback working while the hub does not verify its unsubscription', async () => {
    const { hub, runtime, id, callback, secret, sendLate, settle } = await startActive();
    hub.configure({ verify: { unsubscriptions: 'never' } });
    await runtime.rotateCallback(id);
    await hub.until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
    await settle();
    expect(await sendLate(callback, secret)).toBe(202);
  });

  it('keeps the old callback if the hub denies or does not verify the new callback', async () => {
    const { world, hub, topic, runtime, id, callback, snapshot, settle } = await startActive();
    hub.configure({ deny: { reason: 'one is enough', keep: true, only: 'new' } });
    await runtime.rotateCallback(id);
    await settle();
    world.advance(61_000);
    await settle();
    expect(await snapshot()).toMatchObject({ state: 'active', callback, attempts: 0 });
    expect((await topic.publish('news')).map(({ status }) => status)).toEqual([202]);
    hub.configure({ deny: false, verify: 'never' });
    await runtime.rotateCallback(id);
    await settle();
    world.advance(61_000);
    await settle();
    expect(await snapshot()).toMatchObject({ state: 'active', callback });
  });

  it.each([
    [{ servicePath: 'news' }, /servicePath is "news", the whole path/],
    [{ callback: 'http://127.0.0.1:1/cb' }, /callback is used unchanged/],
  ])('rejects with a ConfigurationError if only one callback is possible (%o)', async (config, message) => {
    const world = new FakeWorld();
    const service = defineSubscriber({ name: 'News', ...config }, { onEventNotification() {} });
    const runtime = await world.start(service);
    onTestFinished(() => runtime.stopNow());
    const { id } = await runtime.subscribe(service, {
      target: { hub: 'http://127.0.0.1:1/', topic: 'http://127.0.0.1:1/a' },
    });
    const failure = await failureOf(runtime.rotateCallback(id));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(message);
  });

  it('rejects if the subscription is not active', async () => {
    const { runtime, id, hub } = await startActive();
    await runtime.unsubscribe(id);
    await hub.unsubscribed();
    const failure = await failureOf(runtime.rotateCallback(id));
    expect(failure).toBeInstanceOf(WebSubError);
    expect(failure.message).toMatch(/is unsubscribed, so its callback cannot be rotated\. Call retry\(id\)/);
  });
});

describe('at each renewal,', () => {
  it('rotateSecret gives the hub another secret', async () => {
    const { world, hub, topic, received, callback, snapshot, settle } = await startActive({ rotateSecret: 'renewal' });
    for (let round = 0; round < 3; round += 1) {
      const { renewsAt } = await snapshot();
      world.advance((renewsAt?.getTime() ?? 0) - world.now);
      await settle();
      expect((await topic.publish(`news ${round}`)).map(({ status }) => status)).toEqual([202]);
    }
    const secrets = subscribeRequests(hub).map(({ form }) => form.get('hub.secret'));
    expect(secrets).toHaveLength(4);
    expect(new Set(secrets).size).toBe(4);
    expect(await snapshot()).toMatchObject({ callback });
    expect(received).toEqual(['news 0', 'news 1', 'news 2']);
  });

  it('rotateCallback moves to another callback, and renews the lease if the hub verifies no new callback', async () => {
    const { world, hub, topic, received, callback, snapshot, settle } = await startActive({
      rotateCallback: 'renewal',
    });
    const renew = async (): Promise<void> => {
      const { renewsAt } = await snapshot();
      world.advance((renewsAt?.getTime() ?? 0) - world.now);
      await settle();
    };
    await renew();
    const second = await snapshot();
    expect(second.callback).not.toBe(callback);
    expect((await topic.publish('news')).map(({ status }) => status)).toEqual([202]);
    hub.configure({ verify: 'never' });
    await renew();
    world.advance(61_000);
    await settle();
    expect(subscribeRequests(hub).at(-1)?.form.get('hub.callback')).toBe(second.callback);
    // The hub verifies only the callback that it knows.
    const knownAtHub = hub.subscriptions.find((atHub) => atHub.callback === second.callback);
    if (knownAtHub !== undefined) await hub.verify(knownAtHub);
    const renewed = await snapshot();
    expect(renewed).toMatchObject({ state: 'active', callback: second.callback });
    expect(Number(renewed.expiresAt)).toBeGreaterThan(Number(second.expiresAt));
    hub.configure({ verify: undefined });
    for (let minute = 0; minute < 5; minute += 1) {
      world.advance(61_000);
      await settle();
    }
    const third = await snapshot();
    expect(third.state).toBe('active');
    expect([callback, second.callback]).not.toContain(third.callback);
    expect((await topic.publish('more')).map(({ status }) => status)).toEqual([202]);
    expect(received).toEqual(['news', 'more']);
    expect(hub.subscriptions.filter(({ state }) => state === 'active')).toHaveLength(1);
  });
});
