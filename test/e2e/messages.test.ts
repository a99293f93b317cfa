import { describe, expect, it, onTestFinished } from 'vitest';
import type { Subscription, SubscriberServiceConfig } from 'websub-subscriber';
import { TestHub, type HubFaults, type TopicOptions } from 'websub-subscriber/testing';
import { FakeWorld } from '../kit/fake-world.js';
import { quiet } from '../kit/news-service.js';
import { reader, until } from '../kit/world.js';

/** A subscription at a hub that behaves like this, in a world whose clock stands still. */
async function place(faults: HubFaults, topicOptions: TopicOptions = {}, config: SubscriberServiceConfig = {}) {
  const world = new FakeWorld();
  const hub = await TestHub.start({ now: () => world.now, ...faults });
  onTestFinished(() => hub.close());
  const topic = hub.topic('/feed', topicOptions);
  const { service } = reader({ target: topic.url, unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  const seen = async (): Promise<Subscription> => {
    const [only] = await runtime.subscriptions.find();
    if (only === undefined) throw new Error('there is no subscription');
    return only;
  };
  const settle = async (): Promise<void> => {
    await quiet();
    await hub.settled();
    await quiet();
  };
  await settle();
  return { world, hub, topic, runtime, seen, settle };
}

describe('lastError says what came, and what was expected,', () => {
  it('where a verification is for another topic', async () => {
    const { world, topic, seen, settle } = await place({ verify: 'wrong-topic' });
    world.pass(61_000);
    await settle();
    expect((await seen()).lastError?.message).toMatch(
      new RegExp(`could not be confirmed: its hub\\.topic is "http://.*", not "${topic.url}"\\.$`),
    );
  });

  it('where an unsubscription is verified as a subscription, as go-websub does', async () => {
    const { world, runtime, seen, settle } = await place({ verify: { unsubscriptions: 'wrong-mode' } });
    await runtime.unsubscribe((await seen()).id);
    await settle();
    world.pass(61_000);
    await settle();
    expect((await seen()).lastError).toMatchObject({
      cause: 'verification-wrong',
      code: 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
      message: expect.stringMatching(/could not be confirmed: its hub\.mode is subscribe, not unsubscribe\.$/),
    });
  });

  it('where a denial is for another topic', async () => {
    const { world, hub, topic, seen, settle } = await place({ verify: 'never' });
    const { callback = '' } = await seen();
    const [delivery] = await hub.deny('not this one', { topic: `${topic.url}2`, callback });
    expect(delivery?.status).toBe(404);
    world.pass(61_000);
    await settle();
    expect((await seen()).lastError?.message).toContain(
      `a hub.mode=denied came for "${topic.url}2", not "${topic.url}"`,
    );
    expect(world.logged(': answered 404 (reason: ')).toHaveLength(1);
  });

  it('shortened, where what came is long', async () => {
    const { hub, topic, world, settle, seen } = await place({ verify: 'never' });
    const { callback = '' } = await seen();
    await hub.verify({ topic: `${topic.url}${'x'.repeat(3_000)}`, callback });
    world.pass(61_000);
    await settle();
    expect((await seen()).lastError?.message.length).toBeLessThan(800);
  });
});

describe('where the hub refuses a topic', () => {
  it("that came from the page's self link, the error says so, and what overrides it", async () => {
    const fail = { status: 404, body: 'unknown topic' };
    const { world, topic, seen } = await place({ fail }, { self: 'http://127.0.0.1:1/canonical' });
    const { lastError } = await until(async () => {
      const now = await seen();
      return now.lastError !== undefined && now;
    });
    expect(lastError?.message).toMatch(/answered 404: "unknown topic"/);
    expect(lastError?.message).toContain(`The topic is what ${topic.url} names as its own URL (rel=self).`);
    expect(lastError?.message).toContain('target: { hub, topic }');
    expect(world.logged('target: { hub, topic }')).toHaveLength(1);
  });

  it('that is the target itself, it does not', async () => {
    const { seen } = await place({ fail: { status: 404 } });
    const { lastError } = await until(async () => {
      const now = await seen();
      return now.lastError !== undefined && now;
    });
    expect(lastError?.message).not.toContain('rel=self');
  });
});

it('after a failover the log names the hub that is asked, and not when the other one would be', async () => {
  const other = await TestHub.start();
  onTestFinished(() => other.close());
  const { hub, world, settle } = await place({ fail: { status: 403 } }, { hubs: [] });
  hub.topic('/both', { hubs: [hub, other] });
  const { service } = reader({ name: 'Both', target: `${new URL(hub.url).origin}/both` });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  await other.verified();
  await settle();
  expect(world.logged(`(asking hub ${other.url} now)`)).toHaveLength(1);
});
