import { describe, expect, test } from 'vitest';
import { active, DAY, HUB, Life, RULES, SECOND_HUB, START, TOPIC } from '../life.js';

/** The topic was fetched for the gap that was open when the fetch began. */
function fetched(life: Life, { since = life.record.gapSince, beganAt = life.now } = {}): Life {
  return life.apply({ type: 'fetched', since, beganAt, fetched: { topic: TOPIC, etag: '"1"' } });
}

const requested = (): Life => new Life().apply({ type: 'wanted' }).discovered().requested();

describe('L3 events may have been missed', () => {
  test('since a lease ended, until a hub delivers again and the topic was fetched', () => {
    const life = active().due(10 * DAY + 5_000);
    expect(life.actions).toContain('catch up');
    expect(life.record.gapSince).toBe(START + 10 * DAY);

    fetched(life.after(1_000));
    expect(life.record.gapSince).toBe(life.now);

    life.after(60_000).discovered().requested().accepted().verified();
    expect(life.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(life).record).toMatchObject({ gapSince: undefined, fetched: { topic: TOPIC, etag: '"1"' } });
  });

  test('between the start of a fetch and a verification during it', () => {
    const life = active().due(10 * DAY);
    const beganAt = life.now;
    const since = life.record.gapSince;
    life.discovered().requested().accepted().after(3_000).verified();
    expect(fetched(life, { since, beganAt }).record.gapSince).toBe(beganAt);
  });

  test('while a hub fails, even if its lease runs and the topic was fetched meanwhile', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    fetched(life.after(60_000));
    expect(life.record.gapSince).toBe(life.now);
  });

  test('since a shutdown unsubscribed it, until it is back and caught up', () => {
    const life = active().after(5_000).unwanted('shutdown');
    const stopped = life.now;
    life.requested().apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(life.record.gapSince).toBe(stopped);
    life.after(1_000).apply({ type: 'wanted' }).discovered().requested().verified();
    expect(life.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(life).record.gapSince).toBeUndefined();
  });

  test('since the first failure of a hub that failed for a minute, even while its lease ran', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    const failed = life.now;
    expect(life.record.gapSince).toBe(failed);
    life.due(60_000).discovered().requested().verified();
    expect(life.actions).toEqual(['hook renewed', 'catch up']);
    expect(life.record.gapSince).toBe(failed);
  });

  test('but not if a hub failed for a shorter time and no lease ended', () => {
    const first = requested().unreachable().due(5_000).requested().verified();
    expect(first.actions).toEqual(['hook verified']);
    expect(first.record).not.toHaveProperty('gapSince');

    const renewal = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable();
    renewal.due(59_000).discovered().requested().verified();
    expect(renewal.actions).toEqual(['hook renewed']);
    expect(renewal.record).not.toHaveProperty('gapSince');
  });

  test('since the first failure, if nothing was granted for longer than a minute', () => {
    const life = requested().unreachable().due(60_000).requested().verified();
    expect(life.actions).toEqual(['hook verified', 'catch up']);
    expect(life.record.gapSince).toBe(START);
  });

  test('since an unsolicited denial, once the hub grants again', () => {
    const life = active().after(DAY).denied();
    expect(life.record.gapSince).toBe(life.now);
    life.due(90_000).requested().accepted().verified();
    expect(life.actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(life.record.gapSince).toBe(START + DAY);
  });

  test('but not while a denied renewal leaves a working grant', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted()
      .denied()
      .due(60_000);
    expect(life.record).not.toHaveProperty('gapSince');
    life.due(30_000).discovered().requested().accepted().verified();
    expect(life.actions).toEqual(['hook renewed']);
  });

  test('and a catch-up starts at once if the hub verified while its POST is open', () => {
    const life = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .verifiedInPost();
    expect(life.actions).toEqual(['hook verified', 'catch up']);
    expect(fetched(life).record.gapSince).toBeUndefined();
    expect(life.accepted().actions).toEqual([]);
  });

  test('since a hub error undid a verification', () => {
    const life = active().hubError();
    expect(life.record.gapSince).toBe(life.now);
  });
});

describe('no event was missed', () => {
  test.each(['unsubscribed', 'deleted', 'pruned'] as const)('while the subscription was not wanted: %s', (why) => {
    const life = active().after(5_000).unwanted(why).requested();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    life.after(DAY).apply({ type: 'retried' }).discovered().requested().verified();
    expect(life.actions).toEqual(['hook verified']);
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
    expect(life.actions).toContain('hook failed');
    expect(life.record).not.toHaveProperty('gapSince');
  });

  test('with catchUp: false', () => {
    const life = active();
    life.rules = { ...RULES, catchUp: false };
    life.due(10 * DAY);
    expect(life.actions).toEqual(['hook expired', 'discover']);
    expect(life.record).not.toHaveProperty('gapSince');
  });
});

describe('L3 the time of the first verification', () => {
  test('is stored once: renewals, restarts and another hub leave it as it is', () => {
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

  test('is not stored when a hub is only requested', () => {
    expect(requested().record).not.toHaveProperty('firstVerifiedAt');
    expect(requested().after(DAY).verified().record.firstVerifiedAt).toBe(START + DAY);
  });

  test('is not stored by a renewal of a grant that 0.1.0 had verified', () => {
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

test('an unchanged fetch is no change', () => {
  const life = fetched(active());
  const { record } = life;
  expect(fetched(life).record).toBe(record);
});
