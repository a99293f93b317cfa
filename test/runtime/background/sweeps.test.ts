import { describe, expect, it, vi } from 'vitest';
import { scheduleSweeps } from '../../../src/runtime/background/sweeps.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { quiet } from '../../kit/news-service.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { DAY, HUB, START, TOPIC } from '../../subscription/machine/life.js';
import { subscription, TERMS, world } from '../../subscription/registry/registry-world.js';

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
      hubSettled: true,
      topic: TOPIC,
      callback: TERMS.callbackOf(id),
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

/** Subscriptions, all of which are due after a second; the timetable has forgotten those that are lost. */
async function setUp({ lost = [], kept = [] }: { lost?: SubscriptionRecord[]; kept?: SubscriptionRecord[] }) {
  const here = await world();
  const jobs = new Map<string, () => void>();
  const logger = recordingLogger();
  let isClosing = false;
  const engine = { ...here.engine, every: (time: string, run: () => void) => void jobs.set(time, run) };
  const swept: number[] = [];
  let letters = 0;
  scheduleSweeps({
    registry: here.registry,
    processedLog: { sweep: (before) => void swept.push(before) },
    deadLetters: { sweep: async () => void (letters += 1) },
    longestWindowMs: DAY,
    engine,
    logger,
    now: () => here.now,
    schedule: SCHEDULE,
    isClosing: () => isClosing,
  });
  for (const record of lost) await here.registry.add(record);
  here.now += 1_000;
  // What comes due while nobody serves it is done by nobody.
  here.terms = undefined;
  here.engine.tick();
  await quiet();
  here.terms = TERMS;
  for (const record of kept) await here.registry.add(record);
  const seenTo: string[] = [];
  here.perform = ({ id }) => void seenTo.push(id);
  const turn = async (job: keyof typeof SCHEDULE): Promise<string[]> => {
    jobs.get(job)?.();
    await quiet();
    return seenTo.splice(0);
  };
  return { ...here, here, swept, letters: () => letters, logger, turn, close: () => void (isClosing = true) };
}

describe('the sweeps', () => {
  it('refresh does whatever is due and was lost, and lets alone what the timetable has', async () => {
    const { turn } = await setUp({
      lost: [granted('renewal'), subscription('new')],
      kept: [granted('in the timetable'), granted('not due', { renewsAt: START + DAY })],
    });
    expect(await turn('refresh')).toEqual(['renewal', 'new']);
    expect(await turn('refresh')).toEqual([]);
  });

  it('retry does those that failed or are to be tried', async () => {
    const { turn } = await setUp({
      lost: [
        granted('renewal'),
        granted('failing renewal', { attempts: 2 }),
        granted('unsubscribing', { state: 'unsubscribing', nextAttemptAt: START + 500 }),
        subscription('new'),
        { ...granted('failing'), attempts: 1 },
      ],
    });
    expect((await turn('retry')).toSorted()).toEqual(['failing', 'failing renewal', 'new', 'unsubscribing']);
    expect(await turn('refresh')).toEqual(['renewal']);
  });

  it('sweep forgets what ended thirty days ago, and what was seen before the longest window', async () => {
    const over = granted('over', { state: 'unsubscribed', endedAt: START });
    const { here, turn, registry, swept, letters } = await setUp({ kept: [over] });
    here.now = START + 30 * DAY;
    await turn('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(1);
    here.now += 1;
    await turn('sweep');
    expect(registry.get('over')?.record.grants).toHaveLength(0);
    expect(swept.at(-1)).toBe(here.now - DAY);
    expect(letters(), 'dead letters past their time, at each of the two sweeps').toBe(2);
  });

  it('see to the others when one cannot be stored, and to that one at the next turn', async () => {
    const { registry, turn, logger } = await setUp({ lost: [subscription('a'), subscription('b')] });
    vi.spyOn(registry, 'apply').mockRejectedValueOnce(new Error('the disk is full'));
    expect(await turn('refresh')).toEqual(['b']);
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { subscription: 'a' } }]);
    expect(await turn('retry')).toEqual(['a']);
  });

  it('begin nothing when the runtime stops', async () => {
    const { close, turn } = await setUp({ lost: [subscription('a')] });
    close();
    expect(await turn('refresh')).toEqual([]);
  });
});
