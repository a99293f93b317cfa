import { describe, expect, test } from 'vitest';
import { active, DAY, HUB, Life, RULES, SECOND_HUB, START, TOPIC } from '../life.js';

/** The topic was fetched for the gap as it stood when the fetch began. */
function fetched(life: Life, { since = life.record.gapSince, beganAt = life.now } = {}): Life {
  return life.apply({ type: 'fetched', since, beganAt, fetched: { topic: TOPIC, etag: '"1"' } });
}

const asked = (): Life => new Life().apply({ type: 'wanted' }).discovered().requested();

describe('L3 news may have been missed', () => {
  test('since a lease ran out, until a hub delivers again and the topic was fetched', () => {
    const life = active().due(10 * DAY + 5_000);
    expect(life.asked).toContain('catch up');
    expect(life.record.gapSince).toBe(START + 10 * DAY);

    fetched(life.after(1_000));
    expect(life.record.gapSince).toBe(life.now);

    life.after(60_000).discovered().requested().accepted().verified();
    expect(life.asked).toEqual(['tell verified', 'catch up']);
    expect(fetched(life).record).toMatchObject({ gapSince: undefined, fetched: { topic: TOPIC, etag: '"1"' } });
  });

  test('between a fetch that had begun and the verification that came meanwhile', () => {
    const life = active().due(10 * DAY);
    const beganAt = life.now;
    const since = life.record.gapSince;
    life.discovered().requested().accepted().after(3_000).verified();
    expect(fetched(life, { since, beganAt }).record.gapSince).toBe(beganAt);
  });

  test('while a hub fails, also where its lease runs on and the topic was fetched meanwhile', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    fetched(life.after(60_000));
    expect(life.record.gapSince).toBe(life.now);
  });

  test('since a stop unsubscribed it, and not once it is back and was caught up with', () => {
    const life = active().after(5_000).unwanted('shutdown');
    const stopped = life.now;
    life.requested().apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(life.record.gapSince).toBe(stopped);
    life.after(1_000).apply({ type: 'wanted' }).discovered().requested().verified();
    expect(life.asked).toEqual(['tell verified', 'catch up']);
    expect(fetched(life).record.gapSince).toBeUndefined();
  });

  test('since the first failure of a hub that failed for a minute, also while its lease went on', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const failed = life.now;
    expect(life.record.gapSince).toBe(failed);
    life.due(60_000).discovered().requested().verified();
    expect(life.asked).toEqual(['tell renewed', 'catch up']);
    expect(life.record.gapSince).toBe(failed);
  });

  test('but not where a hub failed for a shorter time and no lease ran out', () => {
    const first = asked().unreachable().due(5_000).requested().verified();
    expect(first.asked).toEqual(['tell verified']);
    expect(first.record).not.toHaveProperty('gapSince');

    const renewal = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    renewal.due(59_000).discovered().requested().verified();
    expect(renewal.asked).toEqual(['tell renewed']);
    expect(renewal.record).not.toHaveProperty('gapSince');
  });

  test('since the first failure, where nothing was ever granted for longer than a minute', () => {
    const life = asked().unreachable().due(60_000).requested().verified();
    expect(life.asked).toEqual(['tell verified', 'catch up']);
    expect(life.record.gapSince).toBe(START);
  });

  test('since a hub denied unasked, once it grants again', () => {
    const life = active().after(DAY).denied();
    expect(life.record.gapSince).toBe(life.now);
    life.due(90_000).requested().accepted().verified();
    expect(life.asked).toEqual(['tell verified', 'unsubscribe', 'catch up']);
    expect(life.record.gapSince).toBe(START + DAY);
  });

  test('but not while a denied renewal leaves what works', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied()
      .due(60_000);
    expect(life.record).not.toHaveProperty('gapSince');
    life.due(30_000).discovered().requested().accepted().verified();
    expect(life.asked).toEqual(['tell renewed']);
  });

  test('is made up for at once where the hub verified while its POST is open', () => {
    const life = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .verifiedInPost();
    expect(life.asked).toEqual(['tell verified', 'catch up']);
    expect(fetched(life).record.gapSince).toBeUndefined();
    expect(life.accepted().asked).toEqual([]);
  });

  test('since a hub error undid a verification, for a minute or more', () => {
    const life = active().hubError();
    expect(life.record.gapSince).toBe(life.now);
  });
});

describe('nothing was missed', () => {
  test.each(['unsubscribed', 'deleted', 'pruned'] as const)('that was not wanted: %s', (why) => {
    const life = active().after(5_000).unwanted(why).requested();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    life.after(DAY).apply({ type: 'retried' }).discovered().requested().verified();
    expect(life.asked).toEqual(['tell verified']);
    expect(life.record).not.toHaveProperty('gapSince');
  });

  test('by a first subscription, a renewal, or another hub that takes over at once', () => {
    expect(active().record).not.toHaveProperty('gapSince');
    expect(
      active()
        .due(8 * DAY)
        .discovered()
        .requested()
        .verified().record,
    ).not.toHaveProperty('gapSince');
    const moved = active()
      .due(8 * DAY)
      .discovered(SECOND_HUB);
    moved.requestedAt(SECOND_HUB).verified('864000', moved.grantAt(SECOND_HUB).id);
    expect(moved.record).not.toHaveProperty('gapSince');
  });

  test("while another hub delivers, with hubs: 'all'", () => {
    const life = new Life();
    life.rules = { ...RULES, hubs: 'all' };
    life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB);
    life.verified('864000', life.grantAt(HUB).id).due(60_000);
    expect(life.asked).toContain('tell failed');
    expect(life.record).not.toHaveProperty('gapSince');
  });

  test('that anybody would make up for, with catchUp: false', () => {
    const life = active();
    life.rules = { ...RULES, catchUp: false };
    life.due(10 * DAY);
    expect(life.asked).toEqual(['tell expired', 'discover']);
    expect(life.record).not.toHaveProperty('gapSince');
  });
});

describe('L3 the first verification is noted', () => {
  test('once: renewals, restarts and another hub leave it as it is', () => {
    const life = active();
    expect(life.record.firstVerifiedAt).toBe(START);
    const moved = life.due(8 * DAY).discovered(SECOND_HUB);
    moved.requestedAt(SECOND_HUB).verified('864000', moved.grantAt(SECOND_HUB).id);
    expect(moved.record.firstVerifiedAt).toBe(START);
    moved
      .due(20 * DAY)
      .discovered(HUB)
      .requestedAt(HUB);
    moved.verified('864000', moved.grantAt(HUB).id);
    expect(moved.record.firstVerifiedAt).toBe(START);
  });

  test('not when a hub is only asked', () => {
    expect(asked().record).not.toHaveProperty('firstVerifiedAt');
    expect(asked().after(DAY).verified().record.firstVerifiedAt).toBe(START + DAY);
  });

  test('not by a renewal of what 0.1.0 had verified before', () => {
    const { firstVerifiedAt: _unknown, ...old } = active().record;
    const life = new Life(old);
    life
      .due(8 * DAY)
      .discovered()
      .requested()
      .verified();
    expect(life.record).not.toHaveProperty('firstVerifiedAt');
  });
});

test('what was fetched again unchanged is no change', () => {
  const life = fetched(active());
  const { record } = life;
  expect(fetched(life).record).toBe(record);
});
