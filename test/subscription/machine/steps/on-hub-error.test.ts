import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { isVerificationUndone } from '../../../../src/subscription/machine/steps/on-hub-error.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, HUB, SECOND_HUB, verifying, type Life } from '../life.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Renews, and verifies again. */
const renewed = (life: Life, ...hubs: readonly string[]): Life =>
  life
    .due(dueIn(life))
    .discovered(...hubs)
    .requested()
    .accepted()
    .verified();

describe('N3 a hub error after a requested verification', () => {
  test.each([0, 60_000])('is a failed attempt %d ms after it, and content is still accepted', (wait) => {
    const life = active().after(wait);
    const { secrets, expiresAt } = life.grant;
    life.hubError();
    expect(life.actions).toEqual(['hook failed']);
    expect(life.grant).toMatchObject({ state: 'active', attempts: 1, secrets, expiresAt, hubErrorAt: life.now });
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'hub-error' } });
    expect(stateOf(life.record)).toBe('active');
    expect(dueIn(life)).toBe(1_000);
    expect(life.due(1_000).actions).toEqual(['discover']);
  });

  test('counts once per verification', () => {
    const life = active().hubError();
    const { record } = life;
    expect(isVerificationUndone(life.grant, life.now)).toBe(false);
    expect(life.after(1_000).hubError().record).toBe(record);
    renewed(life).after(1_000).hubError();
    expect(life.grant.attempts).toBe(2);
  });

  test('leads to longer and longer waits when it repeats', () => {
    const life = active();
    life.random = 1;
    const waits = Array.from({ length: 5 }, () => {
      life.after(1_000).hubError();
      const wait = dueIn(life);
      renewed(life);
      return wait;
    });
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000]);
  });

  test('is forgotten at a verification an hour after the last one, and not before', () => {
    const life = renewed(active().hubError());
    expect(life.grant.attempts).toBe(1);
    expect(life.record.attempts).toBe(1);
    life
      .after(HOUR - 1_001)
      .apply({ type: 'renewal-wanted' })
      .discovered()
      .requested()
      .accepted()
      .verified();
    expect(life.grant.attempts).toBe(1);
    life.after(1).apply({ type: 'renewal-wanted' }).discovered().requested().accepted().verified();
    expect(life.grant.attempts).toBe(0);
    expect(life.record).toMatchObject({ attempts: 0, lastError: undefined });
  });

  test('D8 leads to a request at the next advertised hub after three times', () => {
    const life = verifying(HUB, SECOND_HUB).accepted().verified();
    for (let time = 0; time < 3; time += 1) {
      life.hubError();
      if (time < 2) renewed(life, HUB, SECOND_HUB);
    }
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.grant.advertisedHub).toBe(SECOND_HUB);
    expect(life.grantAt(HUB).state).toBe('active');
  });

  test('leads to a request even if the answer to the verification is stored after it', () => {
    const life = verifying().accepted();
    life.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' }).hubError();
    life.apply({ type: 'answered', grantId: 'g1' });
    expect(dueIn(life)).toBe(1_000);
  });
});

test('N3 a hub error does not lead to an earlier request at a hub that has refused a renewal since', () => {
  const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
  const at = dueAt(life.record);
  expect(life.hubError().actions).toEqual(['hook failed']);
  expect(dueAt(life.record)).toBe(at);
});

describe('N3 a hub error at any other time changes nothing', () => {
  test.each([
    ['more than a minute after the verification', () => active().after(MINUTE + 1)],
    ['after an unsolicited verification', () => active().after(DAY).verified()],
    ['before any verification', () => verifying().accepted()],
    ['while a request is open', () => verifying().verifiedInPost()],
    ['while a renewal is open', () => active().apply({ type: 'renewal-wanted' }).discovered().requested()],
    ['after a denial', () => active().denied()],
    ['while it is unsubscribed', () => active().unwanted('unsubscribed').requested()],
    ['after the clock was set back', () => active().after(-DAY)],
  ])('%s', (_name, at) => {
    const life = at();
    const { record } = life;
    const due = dueAt(record);
    expect(life.hubError().record).toBe(record);
    expect(life.actions).toEqual([]);
    expect(dueAt(life.record)).toBe(due);
  });
});
