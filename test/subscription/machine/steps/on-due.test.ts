import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, Life, verifying } from '../life.js';

describe('L1 a lease of ten seconds', () => {
  test('is renewed again and again', () => {
    const life = active('10');
    for (let time = 0; time < 100; time += 1) {
      const at = dueAt(life.record) ?? Infinity;
      expect(at - life.now).toBe(5_000);
      expect(life.due(5_000).asked).toEqual(['discover']);
      expect(life.discovered().asked).toEqual(['subscribe']);
      expect(life.requested().accepted().after(500).verified('10').asked).toEqual(['tell renewed']);
    }
  });

  test('leaves time for a second and a third try', () => {
    const life = active('10').due(5_000).discovered().requested().accepted();
    expect(dueAt(life.record)).toBe(life.now + 1_000);
    life.due(1_000).due(1_000).discovered().requested().accepted().due(1_000);
    expect(life.asked).toEqual(['tell failed']);
    expect(stateOf(life.record)).toBe('active');
  });
});

describe('L3 a lease that ran out', () => {
  test('is told, and subscribed again at once under the same callback', () => {
    const life = active();
    const { callback } = life.grant;
    life.due(10 * DAY);
    expect(life.asked).toEqual(['tell expired', 'discover', 'catch up']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.callback).toBe(callback);
    expect(life.requested().accepted().verified().asked).toEqual(['tell verified', 'catch up']);
  });

  test('while a renewal is asked for waits for that', () => {
    const life = active()
      .after(10 * DAY - 5_000)
      .due()
      .requested()
      .accepted()
      .due(5_000);
    expect(life.asked).toEqual(['tell expired', 'catch up']);
    expect(life.grant).toMatchObject({ state: 'expired', pending: { accepted: true } });
    expect(life.verified().asked).toEqual(['tell verified', 'catch up']);
  });

  test('is asked for again after a wait, where that fails', () => {
    const life = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(stateOf(life.record)).toBe('expired');
    expect(life.due(2_000).asked).toEqual(['subscribe']);
  });

  test('at a shutdown is not kept as being unsubscribed', () => {
    const life = active('600').unwanted('shutdown').requested().due(600_000);
    expect(life.grant).toMatchObject({ state: 'expired', pending: undefined });
  });
});

describe('what a transition asked for and a crash has lost', () => {
  test('is asked for again after a minute: a discovery', () => {
    const life = new Life().apply({ type: 'wanted' });
    expect(life.due(59_999).asked).toEqual([]);
    expect(life.due(1).asked).toEqual(['discover']);
  });

  test('is asked for again after a minute: a request', () => {
    expect(new Life().apply({ type: 'wanted' }).discovered().due(60_000).asked).toEqual(['subscribe']);
    expect(active().unwanted('unsubscribed').due(60_000).asked).toEqual(['unsubscribe']);
  });
});

test('L2 the reason given for a missing verification tells whether the hub had accepted', () => {
  expect(verifying().due(60_000).record.lastError?.message).toContain('was sent');
  expect(verifying().accepted().due(60_000).record.lastError?.message).toContain('accepted');
  const leaving = active().unwanted('unsubscribed').requested().due(60_000);
  expect(leaving.record.lastError).toMatchObject({
    cause: 'verification-missing',
    code: 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
  });
});
