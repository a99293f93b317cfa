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
      expect(life.due(5_000).actions).toEqual(['discover']);
      expect(life.discovered().actions).toEqual(['subscribe']);
      expect(life.requested().accepted().after(500).verified('10').actions).toEqual(['hook renewed']);
    }
  });

  test('leaves time for a second and a third try', () => {
    const life = active('10').due(5_000).discovered().requested().accepted();
    expect(dueAt(life.record)).toBe(life.now + 1_000);
    life.due(1_000).due(1_000).discovered().requested().accepted().due(1_000);
    expect(life.actions).toEqual(['hook failed']);
    expect(stateOf(life.record)).toBe('active');
  });
});

describe('L3 an expired lease', () => {
  test('triggers its hook, and is subscribed again at once under the same callback', () => {
    const life = active();
    const { callback } = life.grant;
    life.due(10 * DAY);
    expect(life.actions).toEqual(['hook expired', 'discover', 'catch up']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.callback).toBe(callback);
    expect(life.requested().accepted().verified().actions).toEqual(['hook verified', 'catch up']);
  });

  test('waits for a renewal that is pending', () => {
    const life = active()
      .after(10 * DAY - 5_000)
      .due()
      .requested()
      .accepted()
      .due(5_000);
    expect(life.actions).toEqual(['hook expired', 'catch up']);
    expect(life.grant).toMatchObject({ state: 'expired', pending: { accepted: true } });
    expect(life.verified().actions).toEqual(['hook verified', 'catch up']);
  });

  test('is retried after a wait if that fails', () => {
    const life = active()
      .due(10 * DAY)
      .discovered()
      .requested()
      .unreachable();
    expect(stateOf(life.record)).toBe('expired');
    expect(life.due(2_000).actions).toEqual(['subscribe']);
  });

  test('is not kept as being unsubscribed after a shutdown', () => {
    const life = active('600').unwanted('shutdown').requested().due(600_000);
    expect(life.grant).toMatchObject({ state: 'expired', pending: undefined });
  });
});

describe('work that a crash has lost', () => {
  test('starts again after a minute: a discovery', () => {
    const life = new Life().apply({ type: 'wanted' });
    expect(life.due(59_999).actions).toEqual([]);
    expect(life.due(1).actions).toEqual(['discover']);
  });

  test('starts again after a minute: a request', () => {
    expect(new Life().apply({ type: 'wanted' }).discovered().due(60_000).actions).toEqual(['subscribe']);
    expect(active().unwanted('unsubscribed').due(60_000).actions).toEqual(['unsubscribe']);
  });
});

test('L2 the reason for a missing verification says whether the hub had accepted', () => {
  expect(verifying().due(60_000).record.lastError?.message).toContain('was sent');
  expect(verifying().accepted().due(60_000).record.lastError?.message).toContain('accepted');
  const unsubscribing = active().unwanted('unsubscribed').requested().due(60_000);
  expect(unsubscribing.record.lastError).toMatchObject({
    cause: 'verification-missing',
    code: 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION',
  });
});
