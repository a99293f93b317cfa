import { describe, expect, it, onTestFinished } from 'vitest';
import {
  defineSubscriber,
  startService,
  type HookName,
  type SubscriberRuntime,
  type Subscription,
} from 'websub-subscriber';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { unusedPort } from '../../kit/ports.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const LEASE_SECONDS = 864_000;

/** Expects a renewal between 70 and 90 % of the lease from now, neither in a minute nor in the past. */
function expectRight({ renewsAt, nextAttemptAt, grants }: Subscription): void {
  const seconds = ((renewsAt?.getTime() ?? 0) - Date.now()) / 1000;
  expect(seconds).toBeGreaterThan(0.69 * LEASE_SECONDS);
  expect(seconds).toBeLessThan(0.91 * LEASE_SECONDS);
  expect(grants[0]?.renewsAt).toEqual(renewsAt);
  expect(nextAttemptAt).toBeUndefined();
}

/** A subscriber, and the snapshots of its hooks: those of the payloads, and those read directly after. */
async function setUp(kind: 'memory' | 'lmdb', verify: 'async' | 'sync') {
  const hub = await startHub({ verify, leaseSeconds: LEASE_SECONDS });
  const topic = hub.topic('/feed');
  const seen: [name: HookName, subscription: Subscription][] = [];
  const startedAt: SubscriberRuntime[] = [];
  const service = defineSubscriber(
    { name: 'News', target: topic.url, secret: false, unsubscribeOnShutdown: false },
    {
      onEventNotification() {},
      onStart(runtime) {
        const { hooks, subscriptions } = runtime;
        startedAt.push(runtime);
        for (const name of ['requested', 'verified', 'renewed'] as const) {
          hooks.on(name, async ({ subscription }) => {
            seen.push([name, subscription]);
            const read = await subscriptions.get(subscription.id);
            if (read !== undefined) seen.push([name, read]);
          });
        }
      },
    },
  );
  const store = kind === 'memory' ? kind : `lmdb://${temporaryDirectory()}`;
  const options = { store, port: await unusedPort(), logger: false, handleSignals: false } as const;
  const start = async (): Promise<SubscriberRuntime> => {
    const runtime = await startService(service, options);
    onTestFinished(() => runtime.stopNow());
    return runtime;
  };
  const shown = (name: HookName): readonly Subscription[] =>
    seen.flatMap(([each, subscription]) => (each === name ? subscription : []));
  return { hub, start, shown, startedAt };
}

describe.each(['memory', 'lmdb'] as const)('on the store %s', (kind) => {
  describe.each(['async', 'sync'] as const)('at a hub that verifies %s', (verify) => {
    it('renewsAt and nextAttemptAt are right from the first snapshot on', async () => {
      const { hub, start, shown } = await setUp(kind, verify);
      const runtime = await start();
      await runtime.ready();
      const first = await onlySubscription(runtime);
      expectRight(first);
      await hub.settled();
      expect((await onlySubscription(runtime)).renewsAt).toEqual(first.renewsAt);

      const renewed = new Promise((resolve) => void runtime.hooks.on('renewed', resolve));
      await runtime.renew(first.id);
      expectRight(await onlySubscription(runtime));
      await renewed;
      const second = await onlySubscription(runtime);
      expectRight(second);
      await hub.settled();
      expect((await onlySubscription(runtime)).renewsAt).toEqual(second.renewsAt);

      for (const name of ['verified', 'renewed'] as const) {
        expect(shown(name)).toHaveLength(2);
        for (const subscription of shown(name)) expectRight(subscription);
      }
      for (const { nextAttemptAt } of shown('requested')) expect(nextAttemptAt).toBeUndefined();
    });
  });

  it('nothing is planned while a first request is in flight', async () => {
    const { hub, start, shown, startedAt } = await setUp(kind, 'async');
    const release = [hub.holdBack('topic'), hub.holdBack('answer'), hub.holdBack('verification')];
    const starting = start();
    await hub.until(({ requests }) => requests.length > 0);
    const [runtime = await starting] = startedAt;
    const expectNothing = async (): Promise<void> => {
      expect(Object.keys(await onlySubscription(runtime))).not.toContain('nextAttemptAt');
      expect(Object.keys(await onlySubscription(runtime))).not.toContain('renewsAt');
    };
    await expectNothing();
    release[0]?.();
    await hub.until(({ requests }) => requests.some(({ method }) => method === 'POST'));
    await expectNothing();
    release[1]?.();
    release[2]?.();
    await starting;
    await runtime.ready();
    expect(shown('requested')).toHaveLength(2);
    expectRight(await onlySubscription(runtime));
  });
});

it.each(['async', 'sync'] as const)(
  'the times are right after a restart, at a hub that verifies %s',
  async (verify) => {
    const { start } = await setUp('lmdb', verify);
    const runtime = await start();
    await runtime.ready();
    // The answer to the verification may not be stored yet. Then the hub gets one more request.
    await runtime.stop();
    expectRight(await onlySubscription(runtime));
    const again = await start();
    expectRight(await onlySubscription(again));
    await again.ready();
    const subscription = await onlySubscription(again);
    expectRight(subscription);
    expect(subscription.state).toBe('active');
  },
);
