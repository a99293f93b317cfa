import { describe, expect, it, vi } from 'vitest';
import { scheduleSweeps } from '../../../src/runtime/background/sweeps.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { DAY, HUB, START, TOPIC } from '../../subscription/machine/life.js';
import { subscription, POLICY, world } from '../../subscription/registry/registry-world.js';

const SCHEDULE = { refresh: 'refresh', retry: 'retry', sweep: 'sweep' };

const granted = (id: string, change: Partial<GrantRecord> = {}): SubscriptionRecord => ({
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

/** Subscriptions that are due after a second. The timers of `lost` are gone, those of `kept` are set. */
async function setUp({ lost = [], kept = [] }: { lost?: SubscriptionRecord[]; kept?: SubscriptionRecord[] }) {
  const here = await world();
  const jobs = new Map<string, () => void>();
  const logger = recordingLogger();
  let isStopping = false;
  const engine = { ...here.engine, every: (time: string, run: () => void) => void jobs.set(time, run) };
  const swept: number[] = [];
  let deadLetterSweeps = 0;
  scheduleSweeps({
    registry: here.registry,
    processedLog: { sweep: (before) => void swept.push(before) },
    deadLetters: { sweep: async () => void (deadLetterSweeps += 1) },
    longestWindowMs: DAY,
    engine,
    logger,
    now: () => here.now,
    schedule: SCHEDULE,
    isStopping: () => isStopping,
  });
  for (const record of lost) await here.registry.add(record);
  here.now += 1_000;
  // Without a request policy, due work is not done, and its timer is gone.
  here.policy = undefined;
  here.engine.tick();
  await untilIdle();
  here.policy = POLICY;
  for (const record of kept) await here.registry.add(record);
  const performed: string[] = [];
  here.perform = ({ id }) => void performed.push(id);
  const runSweep = async (job: keyof typeof SCHEDULE): Promise<string[]> => {
    jobs.get(job)?.();
    await untilIdle();
    return performed.splice(0);
  };
  return {
    ...here,
    here,
    swept,
    deadLetterSweeps: () => deadLetterSweeps,
    logger,
    runSweep,
    close: () => void (isStopping = true),
  };
}

describe('the sweeps', () => {
  it('refresh does due work without a timer, and leaves work with a timer alone', async () => {
    const { runSweep } = await setUp({
      lost: [granted('renewal'), subscription('new')],
      kept: [granted('in the timetable'), granted('not due', { renewsAt: START + DAY })],
    });
    expect(await runSweep('refresh')).toEqual(['renewal', 'new']);
    expect(await runSweep('refresh')).toEqual([]);
  });

  it('retry does only the due work of subscriptions that failed or wait for an attempt', async () => {
    const { runSweep } = await setUp({
      lost: [
        granted('renewal'),
        granted('failing renewal', { attempts: 2 }),
        granted('unsubscribing', { state: 'unsubscribing', nextAttemptAt: START + 500 }),
        subscription('new'),
        { ...granted('failing'), attempts: 1 },
      ],
    });
    expect((await runSweep('retry')).toSorted()).toEqual(['failing', 'failing renewal', 'new', 'unsubscribing']);
    expect(await runSweep('refresh')).toEqual(['renewal']);
  });

  it('sweep deletes grants that ended 30 days ago, and processed events older than the longest window', async () => {
    const over = granted('over', { state: 'unsubscribed', endedAt: START });
    const { here, runSweep, registry, swept, deadLetterSweeps } = await setUp({ kept: [over] });
    here.now = START + 30 * DAY;
    await runSweep('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(1);
    here.now += 1;
    await runSweep('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(0);
    expect(swept.at(-1)).toBe(here.now - DAY);
    expect(deadLetterSweeps(), 'one sweep of dead letters for each of the two sweeps').toBe(2);
  });

  it('continue if one subscription cannot be stored, and do that one the next time', async () => {
    const { registry, runSweep, logger } = await setUp({ lost: [subscription('a'), subscription('b')] });
    vi.spyOn(registry, 'apply').mockRejectedValueOnce(new Error('the disk is full'));
    expect(await runSweep('refresh')).toEqual(['b']);
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { subscription: 'a' } }]);
    expect(await runSweep('retry')).toEqual(['a']);
  });

  it('start nothing once the runtime stops', async () => {
    const { close, runSweep } = await setUp({ lost: [subscription('a')] });
    close();
    expect(await runSweep('refresh')).toEqual([]);
  });
});
