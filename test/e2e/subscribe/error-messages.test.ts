import { describe, expect, it, onTestFinished } from 'vitest';
import type { Subscription, SubscriberServiceConfig } from 'websub-subscriber';
import { type HubFaults, type TopicOptions } from 'websub-subscriber/testing';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilSettled } from '../../kit/until-idle.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

/** A subscription at a hub with these faults, with a stopped clock. */
async function setUp(faults: HubFaults, topicOptions: TopicOptions = {}, config: SubscriberServiceConfig = {}) {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now, ...faults });
  const topic = hub.topic('/feed', topicOptions);
  const { service } = recordingService({ target: topic.url, unsubscribeOnShutdown: false, ...config });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  const snapshot = (): Promise<Subscription> => onlySubscription(runtime);
  const settle = (): Promise<void> => untilSettled(hub);
  await settle();
  return { world, hub, topic, runtime, snapshot, settle };
}

describe('lastError names the actual and the expected value', () => {
  it('of a verification for another topic', async () => {
    const { world, topic, snapshot, settle } = await setUp({ verify: 'wrong-topic' });
    world.advance(61_000);
    await settle();
    expect((await snapshot()).lastError?.message).toMatch(
      new RegExp(`hub\\.topic is "http://.*"; it must be "${topic.url}"\\.$`),
    );
  });

  it('of an unsubscription verified as a subscription, as go-websub does', async () => {
    const { world, runtime, snapshot, settle } = await setUp({ verify: { unsubscriptions: 'wrong-mode' } });
    await runtime.unsubscribe((await snapshot()).id);
    await settle();
    world.advance(61_000);
    await settle();
    expect((await snapshot()).lastError).toMatchObject({
      cause: 'verification-wrong',
      code: 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
      message: expect.stringMatching(/hub\.mode is subscribe; it must be unsubscribe\.$/),
    });
  });

  it('of a denial for another topic', async () => {
    const { world, hub, topic, snapshot, settle } = await setUp({ verify: 'never' });
    const { callback = '' } = await snapshot();
    const [delivery] = await hub.deny('not this one', { topic: `${topic.url}2`, callback });
    expect(delivery?.status).toBe(404);
    world.advance(61_000);
    await settle();
    expect((await snapshot()).lastError?.message).toContain(
      `hub.topic of hub.mode=denied is "${topic.url}2"; it must be "${topic.url}"`,
    );
    expect(world.logged('callback.wrong-topic')).toMatchObject([
      { level: 'warn', message: expect.stringContaining('"not this one"') },
    ]);
  });

  it('and shortens long values', async () => {
    const { hub, topic, world, settle, snapshot } = await setUp({ verify: 'never' });
    const { callback = '' } = await snapshot();
    await hub.verify({ topic: `${topic.url}${'x'.repeat(3_000)}`, callback });
    world.advance(61_000);
    await settle();
    expect((await snapshot()).lastError?.message.length).toBeLessThan(800);
  });
});

describe('the error of a hub that refuses a topic', () => {
  it("says that the topic came from the page's self link, and how to override it", async () => {
    const fail = { status: 404, body: 'unknown topic' };
    const { world, topic, snapshot } = await setUp({ fail }, { self: 'http://127.0.0.1:1/canonical' });
    const { lastError } = await until(async () => {
      const subscription = await snapshot();
      return subscription.lastError !== undefined && subscription;
    });
    expect(lastError?.message).toMatch(/answered 404: "unknown topic"/);
    expect(lastError?.message).toContain(`${topic.url} names this topic as its own URL (rel=self).`);
    expect(lastError?.message).toContain('target: { hub, topic }');
    expect(world.logged('subscription.failed')).toMatchObject([
      { level: 'warn', message: expect.stringContaining('target: { hub, topic }') },
    ]);
  });

  it('does not mention a self link if the topic is the target', async () => {
    const { snapshot } = await setUp({ fail: { status: 404 } });
    const { lastError } = await until(async () => {
      const subscription = await snapshot();
      return subscription.lastError !== undefined && subscription;
    });
    expect(lastError?.message).not.toContain('rel=self');
  });
});

it('after a failover the log names the next hub', async () => {
  const nextHub = await startHub();
  const { hub, world, settle } = await setUp({ fail: { status: 403 } }, { hubs: [] });
  hub.topic('/both', { hubs: [hub, nextHub] });
  const { service } = recordingService({ name: 'Both', target: `${new URL(hub.url).origin}/both` });
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  await nextHub.verified();
  await settle();
  expect(world.logged('subscription.failed').filter(({ fields }) => fields['nextHub'] === nextHub.url)).toHaveLength(1);
});
