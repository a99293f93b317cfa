import { describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { scheduleSweeps } from '../../../src/runtime/background/sweeps.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { deliveryWithDefaults } from '../../../src/runtime/config/checks/service-checks.js';
import { servicesWith, testContext } from '../../kit/test-context.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { DAY, HUB, START, TOPIC } from '../../subscription/machine/subscription-machine.js';
import { subscription, POLICY, world } from '../../subscription/registry/registry-world.js';

const SCHEDULE = { refresh: 'refresh', retry: 'retry', sweep: 'sweep' };

const withGrant = (id: string, change: Partial<GrantRecord> = {}): SubscriptionRecord => ({
  ...subscription(id),
  nextAttemptAt: undefined,
  topic: TOPIC,
  hubs: [HUB],
  grants: [
    {
      id: `grant of ${id}`,
      advertisedHub: HUB,
      hub: HUB,
      hasHubAccepted: true,
      topic: TOPIC,
      callback: POLICY.callbackOf(id),
      path: id,
      state: 'active',
      leaseSeconds: 86_400,
      verifiedAt: START,
      expiresAt: START + DAY,
      renewsAt: START + 1_000,
      secrets: [],
      attempts: 0,
      ...change,
    },
  ],
});

/** Subscriptions that are due after a second. Those of `withTimer` have a timer; the timers of the others are gone. */
async function setUp({
  withoutTimer = [],
  withTimer = [],
}: {
  withoutTimer?: SubscriptionRecord[];
  withTimer?: SubscriptionRecord[];
}) {
  const registryWorld = await world();
  const jobs = new Map<string, () => void | Promise<void>>();
  const logger = recordingLogger();
  const engine: Engine = { ...registryWorld.engine, every: (_name, time, run) => void jobs.set(time, run) };
  const processedSweptBefore: number[] = [];
  let deadLetterSweeps = 0;
  const delivery = deliveryWithDefaults({ dedupeWindowSeconds: DAY / 1000 }, 'failover');
  const news = { name: 'news', handlers: { onEventNotification: () => {} }, delivery };
  const services = servicesWith({ get: () => news });
  const context = testContext({ engine, logger, now: () => registryWorld.now, services });
  const swept = {
    registry: registryWorld.registry,
    processedLog: { sweep: (before: number) => void processedSweptBefore.push(before) },
    deadLetters: { sweep: async () => void (deadLetterSweeps += 1) },
  };
  scheduleSweeps(context, swept, SCHEDULE);
  for (const record of withoutTimer) await registryWorld.registry.add(record);
  registryWorld.now += 1_000;
  // Without a request policy, due work is not done, and its timer is gone.
  registryWorld.policy = undefined;
  registryWorld.engine.tick();
  await untilIdle();
  registryWorld.policy = POLICY;
  for (const record of withTimer) await registryWorld.registry.add(record);
  const performedIds: string[] = [];
  registryWorld.perform = ({ id }) => void performedIds.push(id);
  const runSweep = async (job: keyof typeof SCHEDULE): Promise<string[]> => {
    void jobs.get(job)?.();
    await untilIdle();
    return performedIds.splice(0);
  };
  return {
    ...registryWorld,
    registryWorld,
    processedSweptBefore,
    deadLetterSweeps: () => deadLetterSweeps,
    logger,
    runSweep,
    close: () => context.closing.begin(),
  };
}

describe('the sweeps', () => {
  it('on refresh do due work without a timer, and leave work with a timer alone', async () => {
    const { runSweep } = await setUp({
      withoutTimer: [withGrant('renewal'), subscription('new')],
      withTimer: [withGrant('in the timetable'), withGrant('not due', { renewsAt: START + DAY })],
    });
    expect(await runSweep('refresh')).toEqual(['renewal', 'new']);
    expect(await runSweep('refresh')).toEqual([]);
  });

  it('on retry do only the due work of subscriptions that failed or wait for an attempt', async () => {
    const { runSweep } = await setUp({
      withoutTimer: [
        withGrant('renewal'),
        withGrant('failing renewal', { attempts: 2 }),
        withGrant('unsubscribing', { state: 'unsubscribing', nextAttemptAt: START + 500 }),
        subscription('new'),
        { ...withGrant('failing'), attempts: 1 },
      ],
    });
    expect((await runSweep('retry')).toSorted()).toEqual(['failing', 'failing renewal', 'new', 'unsubscribing']);
    expect(await runSweep('refresh')).toEqual(['renewal']);
  });

  it('delete grants that ended more than 30 days ago, and processed events older than the longest window', async () => {
    const ended = withGrant('over', { state: 'unsubscribed', endedAt: START });
    const { registryWorld, runSweep, registry, processedSweptBefore, deadLetterSweeps } = await setUp({
      withTimer: [ended],
    });
    registryWorld.now = START + 30 * DAY;
    await runSweep('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(1);
    registryWorld.now += 1;
    await runSweep('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(0);
    expect(processedSweptBefore.at(-1)).toBe(registryWorld.now - DAY);
    expect(deadLetterSweeps(), 'one sweep of dead letters for each of the two sweeps').toBe(2);
  });

  it('continue if a subscription cannot be stored, and retry it in the next sweep', async () => {
    const { registry, runSweep, logger } = await setUp({ withoutTimer: [subscription('a'), subscription('b')] });
    vi.spyOn(registry, 'apply').mockRejectedValueOnce(new Error('the disk is full'));
    expect(await runSweep('refresh')).toEqual(['b']);
    expect(logger.lines).toMatchObject([
      { level: 'error', event: 'subscription.due-failed', fields: { subscription: 'a', retriedBy: 'sweep' } },
    ]);
    expect(await runSweep('retry')).toEqual(['a']);
  });

  it('start no work once the runtime stops', async () => {
    const { close, runSweep } = await setUp({ withoutTimer: [subscription('a')] });
    close();
    expect(await runSweep('refresh')).toEqual([]);
  });
});
