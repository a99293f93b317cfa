import { describe, expect, test } from 'vitest';
import { active, DAY, failure, RULES, SubscriptionMachine, TOPIC } from '../subscription-machine.js';
import { MAX_MISSING, type MissingSince } from '../../../../src/subscription/record/fetch-records.js';
import { pollDueAt } from '../../../../src/subscription/machine/fetches/poll-plan.js';
import type { InputOf } from '../../../../src/subscription/machine/transition-types.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const dueIn = ({ record, now }: SubscriptionMachine): number => (pollDueAt(record) ?? Infinity) - now;

/** An active subscription that is polled every ten minutes, before its first poll. */
function unpolled(pollSeconds = 600): SubscriptionMachine {
  const machine = new SubscriptionMachine();
  machine.rules = { ...RULES, pollSeconds };
  return machine.apply({ type: 'wanted' }).discovered().requested().accepted().verified();
}

function polled(
  machine: SubscriptionMachine,
  { missing = [], silent }: Partial<Pick<InputOf<'polled'>, 'missing' | 'silent'>> = {},
): SubscriptionMachine {
  return machine
    .after(Math.max(0, dueIn(machine)))
    .apply({ type: 'polled', fetched: { topic: TOPIC, etag: '"1"' }, missing, silent });
}

const silentHub = (machine: SubscriptionMachine): SubscriptionMachine =>
  polled(machine, { silent: { grantId: machine.grant.id, missed: 2 } });

describe('the polling of a topic', () => {
  test('begins at once when there is a grant, and goes on about every interval', () => {
    const machine = new SubscriptionMachine();
    machine.rules = { ...RULES, pollSeconds: 600 };
    machine.apply({ type: 'wanted' });
    expect(dueIn(machine)).toBe(Infinity);
    machine.discovered();
    expect(dueIn(machine)).toBe(0);
    for (const [random, minutes] of [
      [0, 9],
      [0.5, 10],
      [0.999_99, 10.999],
    ] as const) {
      machine.random = random;
      expect(dueIn(polled(machine)) / MINUTE).toBeCloseTo(minutes, 2);
    }
  });

  test('does not begin without `pollSeconds`', () => {
    expect(active().record).not.toHaveProperty('poll');
  });

  test('stores when the first entries were missing, and looks again after the grace time', () => {
    const machine = polled(unpolled());
    const missing: readonly MissingSince[] = [['an entry', machine.now]];
    polled(machine, { missing });
    expect(machine.record.poll?.missing).toEqual(missing);
    expect(dueIn(machine)).toBe(5 * MINUTE);
    expect(polled(machine).record.poll).not.toHaveProperty('missing');
    expect(dueIn(polled(unpolled(60), { missing }))).toBe(MINUTE);
  });

  test('stores a bounded number of missing entries, and since when the others are missing', () => {
    const missing = Array.from({ length: MAX_MISSING + 50 }, (_, index): MissingSince => [`e${index}`, 1_000 - index]);
    const { poll } = polled(unpolled(), { missing }).record;
    expect(poll?.missing).toEqual(missing.slice(0, MAX_MISSING));
    expect(poll?.othersMissingSince).toBe(1_000 - MAX_MISSING - 49);
  });

  test('stores the time of a poll once a day', () => {
    const machine = polled(unpolled());
    const first = machine.now;
    expect(polled(machine).record.fetched).toEqual({ topic: TOPIC, etag: '"1"', polledAt: first });
    expect(polled(machine.after(DAY)).record.fetched?.polledAt).toBe(machine.now);
  });

  test('waits longer after each failure, up to an hour or the interval, and not after a success', () => {
    const machine = polled(unpolled());
    const waits: number[] = [];
    for (let attempts = 1; attempts <= 5; attempts += 1) {
      machine.after(dueIn(machine)).apply({ type: 'poll-failed', notBefore: 0 });
      expect(machine.record.poll?.attempts).toBe(attempts);
      waits.push(dueIn(machine) / MINUTE);
    }
    expect(waits).toEqual([10, 15, 30, 45, 45]);
    expect(dueIn(polled(machine))).toBe(10 * MINUTE);
    machine.after(dueIn(machine)).apply({ type: 'poll-failed', notBefore: machine.now + DAY });
    expect(dueIn(machine)).toBe(DAY);
  });

  test('pauses until a hub verifies if the topic is skipped', () => {
    const machine = polled(unpolled()).apply({ type: 'poll-skipped' });
    expect(dueIn(machine)).toBe(Infinity);
    machine.apply({ type: 'renewal-wanted' }).discovered().requested().accepted().verified();
    expect(dueIn(machine)).toBe(5 * MINUTE);
  });

  test('waits while missed events are fetched', () => {
    const machine = polled(unpolled()).due(10 * DAY);
    expect(dueIn(machine)).toBe(Infinity);
    machine.apply({ type: 'caught-up', beganAt: machine.now, fetched: { topic: TOPIC } });
    expect(dueIn(machine)).toBeLessThan(0);
  });

  test('ends when the subscription is stopped, and begins again with it', () => {
    const machine = polled(unpolled()).unwanted('unsubscribed');
    expect(machine.record).not.toHaveProperty('poll');
    machine.apply({ type: 'retried' });
    expect(dueIn(machine)).toBe(5 * MINUTE);
  });
});

describe('L7 a hub that a poll found silent', () => {
  test('leads to a hook, and to a renewal', () => {
    const machine = silentHub(polled(unpolled()));
    expect(machine.actions).toEqual(['hook hub-silent', 'discover']);
    expect(machine.effects[0]).toMatchObject({ missed: 2, grantId: machine.grant.id });
    expect(machine.grant.silentAt).toBe(machine.now);
    expect(machine.record.poll?.renewedAt).toBe(machine.now);
  });

  test('leads to one renewal an hour, also across restarts', () => {
    const machine = silentHub(polled(unpolled()));
    const renewedAt = machine.now;
    machine.discovered().requested().accepted().verified();
    silentHub(machine).restarted();
    expect(machine.record.poll?.renewedAt).toBe(renewedAt);
    expect(silentHub(machine).actions).toEqual(['hook hub-silent']);
    expect(silentHub(machine.after(HOUR)).actions).toEqual(['hook hub-silent', 'discover']);
  });

  test('leads to a renewal after the clock was set back', () => {
    const machine = silentHub(polled(unpolled()));
    machine.discovered().requested().accepted().verified().after(-DAY);
    machine.apply({ type: 'polled', fetched: { topic: TOPIC }, missing: [], silent: { grantId: 'g1', missed: 1 } });
    expect(machine.actions).toContain('discover');
  });

  test('does not matter if its grant has ended meanwhile', () => {
    const machine = polled(unpolled());
    machine.denied();
    expect(silentHub(machine).actions).toEqual([]);
  });
});

describe('the result of a poll that is not due any more changes nothing', () => {
  const results = [
    { type: 'polled', fetched: { topic: TOPIC }, missing: [], silent: { grantId: 'g1', missed: 1 } },
    { type: 'poll-failed', notBefore: 0 },
    { type: 'poll-skipped' },
  ] as const;

  test.each(results)('$type', (result) => {
    const machine = polled(unpolled());
    const dueAt = machine.record.poll?.at ?? 0;
    machine.after(dueIn(machine)).apply({ ...result, dueAt });
    const { record } = machine;
    for (const again of results) {
      machine.after(1_000).apply({ ...again, dueAt });
      expect(machine.record).toBe(record);
      expect(machine.effects).toEqual([]);
    }
  });
});

describe('after a pause', () => {
  const resumed = (machine: SubscriptionMachine): SubscriptionMachine =>
    machine.apply({ type: 'resumed', receivedUntil: machine.now, fetchAt: machine.now });

  test('an overdue poll is planned at a random time within the interval, a later one stays', () => {
    const machine = unpolled();
    machine.rules = { ...machine.rules, catchUp: false };
    polled(machine);
    const { poll } = machine.record;
    expect(resumed(machine.after(MINUTE)).record.poll).toBe(poll);
    expect(dueIn(resumed(machine.after(HOUR)))).toBe(5 * MINUTE);
  });

  test('a subscription is polled as the service is configured now', () => {
    const machine = active();
    machine.rules = { ...RULES, catchUp: false, pollSeconds: 3_600 };
    expect(dueIn(resumed(machine))).toBe(0);
    polled(machine);
    machine.rules = { ...machine.rules, pollSeconds: 60 };
    expect(dueIn(resumed(machine))).toBe(30_000);
    machine.rules = { ...machine.rules, pollSeconds: 0 };
    expect(resumed(machine).record).not.toHaveProperty('poll');
  });

  test('a stopped subscription is not polled', () => {
    const machine = polled(unpolled());
    machine.apply({ type: 'handler-refused', grantId: 'g1', mode: 'subscribe', failure: failure('handler-refused') });
    machine.unwanted('unsubscribed');
    const { record } = machine;
    expect(resumed(machine).record).toBe(record);
  });
});
