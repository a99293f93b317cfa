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
function expectPlannedRenewal({ renewsAt, nextAttemptAt, grants }: Subscription): void {
  const seconds = ((renewsAt?.getTime() ?? 0) - Date.now()) / 1000;
  expect(seconds).toBeGreaterThan(0.69 * LEASE_SECONDS);
  expect(seconds).toBeLessThan(0.91 * LEASE_SECONDS);
  expect(grants[0]?.renewsAt).toEqual(renewsAt);
  expect(nextAttemptAt).toBeUndefined();
}

/** A subscriber that records two snapshots for each hook call: one of the payload, and one that is read right after. */
async function setUp(kind: 'memory' | 'lmdb', verify: 'async' | 'sync') {
  const hub = await startHub({ verify, leaseSeconds: LEASE_SECONDS });
  const topic = hub.topic('/feed');
  const snapshots: [name: HookName, subscription: Subscription][] = [];
  const startedRuntimes: SubscriberRuntime[] = [];
  const service = defineSubscriber(
    { name: 'News', target: topic.url, secret: false, unsubscribeOnShutdown: false },
    {
      onEventNotification() {},
      onStart(runtime) {
        const { hooks, subscriptions } = runtime;
        startedRuntimes.push(runtime);
        for (const name of ['requested', 'verified', 'renewed'] as const) {
          hooks.on(name, async ({ subscription }) => {
            snapshots.push([name, subscription]);
            const current = await subscriptions.get(subscription.id);
            if (current !== undefined) snapshots.push([name, current]);
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
  const snapshotsOf = (name: HookName): readonly Subscription[] =>
    snapshots.flatMap(([each, subscription]) => (each === name ? subscription : []));
  return { hub, start, snapshotsOf, startedRuntimes };
}

describe.each(['memory', 'lmdb'] as const)('on the store %s', (kind) => {
  describe.each(['async', 'sync'] as const)('at a hub that verifies %s', (verify) => {
    it('renewsAt and nextAttemptAt are right from the first snapshot on', async () => {
      const { hub, start, snapshotsOf } = await setUp(kind, verify);
      const runtime = await start();
      await runtime.ready();
      const first = await onlySubscription(runtime);
      expectPlannedRenewal(first);
      await hub.settled();
      expect((await onlySubscription(runtime)).renewsAt).toEqual(first.renewsAt);

      const renewed = new Promise((resolve) => void runtime.hooks.on('renewed', resolve));
      await runtime.renew(first.id);
      expectPlannedRenewal(await onlySubscription(runtime));
      await renewed;
      const second = await onlySubscription(runtime);
      expectPlannedRenewal(second);
      await hub.settled();
      expect((await onlySubscription(runtime)).renewsAt).toEqual(second.renewsAt);

      for (const name of ['verified', 'renewed'] as const) {
        expect(snapshotsOf(name)).toHaveLength(2);
        for (const subscription of snapshotsOf(name)) expectPlannedRenewal(subscription);
      }
      for (const { nextAttemptAt } of snapshotsOf('requested')) expect(nextAttemptAt).toBeUndefined();
    });
  });

  it('a snapshot has no renewsAt and no nextAttemptAt while the first request is in flight', async () => {
    const { hub, start, snapshotsOf, startedRuntimes } = await setUp(kind, 'async');
    const releases = [hub.holdBack('topic'), hub.holdBack('answer'), hub.holdBack('verification')];
    const starting = start();
    await hub.until(({ requests }) => requests.length > 0);
    const [runtime = await starting] = startedRuntimes;
    const expectNothingPlanned = async (): Promise<void> => {
      expect(Object.keys(await onlySubscription(runtime))).not.toContain('nextAttemptAt');
      expect(Object.keys(await onlySubscription(runtime))).not.toContain('renewsAt');
    };
    await expectNothingPlanned();
    releases[0]?.();
    await hub.until(({ requests }) => requests.some(({ method }) => method === 'POST'));
    await expectNothingPlanned();
    releases[1]?.();
    releases[2]?.();
    await starting;
    await runtime.ready();
    expect(snapshotsOf('requested')).toHaveLength(2);
    expectPlannedRenewal(await onlySubscription(runtime));
  });
});

it.each(['async', 'sync'] as const)(
  'renewsAt and nextAttemptAt are right after a restart, at a hub that verifies %s',
  async (verify) => {
    const { start } = await setUp('lmdb', verify);
    const runtime = await start();
    await runtime.ready();
    // The answer to the verification may not be stored yet. Then the hub gets one more request.
    await runtime.stop();
    expectPlannedRenewal(await onlySubscription(runtime));
    const restarted = await start();
    expectPlannedRenewal(await onlySubscription(restarted));
    await restarted.ready();
    const subscription = await onlySubscription(restarted);
    expectPlannedRenewal(subscription);
    expect(subscription.state).toBe('active');
  },
);
