import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, Life, RULES, SECOND_HUB } from './life.js';

const THIRD_HUB = 'https://third-hub.example/';

/** A subscription with a grant at every advertised hub. */
function atAllHubs(...hubs: readonly string[]): Life {
  const life = new Life();
  life.rules = { ...RULES, hubs: 'all' };
  return life.apply({ type: 'wanted' }).discovered(...hubs);
}

const both = (): Life => {
  const life = atAllHubs(HUB, SECOND_HUB);
  for (const hub of [HUB, SECOND_HUB]) life.requestedAt(hub).verified('864000', life.grantAt(hub).id);
  return life;
};

const failed = (life: Life, hub: string): Life => {
  const { id } = life.grantAt(hub);
  return life.apply({ type: 'unreachable', grantId: id, requestId: `at ${hub}`, failure: failure('unreachable') });
};

describe("D8 hubs: 'all'", () => {
  test('S8 every hub is requested, each with its own callback', () => {
    const life = atAllHubs(HUB, SECOND_HUB, THIRD_HUB);
    expect(life.actions).toEqual(['subscribe', 'subscribe', 'subscribe']);
    expect(new Set(life.record.grants.map(({ callback }) => callback)).size).toBe(3);
    expect(life.record.grants.map(({ advertisedHub }) => advertisedHub)).toEqual([HUB, SECOND_HUB, THIRD_HUB]);
  });

  test('all verified grants are kept', () => {
    const life = both();
    expect(life.record.grants.map(({ state }) => state)).toEqual(['active', 'active']);
    expect(life.actions).toEqual(['hook verified']);
  });

  test('each grant is renewed on its own schedule', () => {
    const life = both();
    life.due(9 * DAY);
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe', 'subscribe']);
  });

  test('no hub is requested when the failure of another one makes the subscription give up', () => {
    const life = atAllHubs(HUB, SECOND_HUB);
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.requestedAt(SECOND_HUB).due(60_000);
    expect(life.record.stoppedBecause).toBe('gave-up');
    expect(life.actions).toEqual(['hook failed']);
  });

  test('L2 a hub that fails is retried on its own schedule, which other hubs do not change', () => {
    const life = atAllHubs(HUB, SECOND_HUB);
    life.requestedAt(HUB).requestedAt(SECOND_HUB);
    failed(life, HUB);
    expect(life.actions).toEqual(['hook failed']);
    const again = life.grantAt(HUB).nextAttemptAt;
    expect(again).toBe(life.now + 1_000);
    life.verified('864000', life.grantAt(SECOND_HUB).id);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: again });
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(again);
    expect(life.due(1_000).actions).toEqual(['subscribe']);
  });

  test('N1 an unsolicited denial of one hub is checked, and the other hubs continue', () => {
    const life = both().denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('active');
    life.after(10_000).denied(life.grantAt(HUB).id);
    expect(stateOf(life.record)).toBe('denied');
    const second = life.grantAt(SECOND_HUB).id;
    expect(life.due(80_000).actions).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ advertisedHub: SECOND_HUB, replaces: second });
    life.requestedAt(SECOND_HUB).verified('864000', life.grant.id);
    expect(life.effects).toContainEqual({ type: 'request', grantId: second, mode: 'unsubscribe' });
    expect(life.grantAt(HUB).state).toBe('active');
    expect(life.due(10_000).actions).toEqual(['subscribe']);
  });

  test('N2 a hub that denies is retried on its own schedule, which other hubs do not change', () => {
    const life = atAllHubs(HUB, SECOND_HUB, THIRD_HUB);
    for (const hub of [HUB, SECOND_HUB, THIRD_HUB]) life.requestedAt(hub);
    failed(life, SECOND_HUB);
    const again = life.grantAt(SECOND_HUB).nextAttemptAt;
    life.denied(life.grantAt(HUB).id);
    // The waiting hub is not requested sooner, and the pending one is not requested twice.
    expect(life.actions).toEqual(['hook denied']);
    expect(life.record).toMatchObject({ passedOver: [], nextAttemptAt: undefined });
    expect(life.grantAt(SECOND_HUB).nextAttemptAt).toBe(again);
    life.verified('864000', life.grantAt(THIRD_HUB).id);
    expect(stateOf(life.record)).toBe('active');
    life.due(60_000);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', refusals: 1, nextAttemptAt: life.now + 30_000 });
    expect(life.discovered(HUB, SECOND_HUB, THIRD_HUB).effects).not.toContainEqual({
      type: 'request',
      grantId: life.grantAt(HUB).id,
      mode: 'subscribe',
    });
    life.requestedAt(SECOND_HUB).verified('864000', life.grantAt(SECOND_HUB).id);
    expect(life.due(30_000).effects).toEqual([{ type: 'request', grantId: life.grantAt(HUB).id, mode: 'subscribe' }]);
  });

  test("N2 afterDenial: 'stop' stops the subscription when all hubs have denied, and not before", () => {
    const life = atAllHubs(HUB, SECOND_HUB);
    life.rules = { ...life.rules, afterDenial: 'stop' };
    life.requestedAt(HUB).requestedAt(SECOND_HUB).denied(life.grantAt(HUB).id).due(60_000);
    expect(life.record.stoppedBecause).toBeUndefined();
    const other = both();
    other.rules = { ...other.rules, afterDenial: 'stop' };
    other
      .due(9 * DAY)
      .discovered(HUB, SECOND_HUB)
      .requestedAt(HUB)
      .requestedAt(SECOND_HUB);
    other.denied(other.grantAt(HUB).id).denied(other.grantAt(SECOND_HUB).id).due(60_000);
    expect(other.record.stoppedBecause).toBe('denied');
    expect(stateOf(other.record)).toBe('active');
  });

  test('D10 a newly advertised hub is requested as well, and a hub that is no longer advertised is left', () => {
    const life = both();
    life.due(9 * DAY).discovered(SECOND_HUB, THIRD_HUB);
    expect(life.effects).toContainEqual({ type: 'request', grantId: life.grantAt(THIRD_HUB).id, mode: 'subscribe' });
    life.requestedAt(THIRD_HUB).verified('864000', life.grantAt(THIRD_HUB).id);
    expect(life.actions).toEqual(['hook verified', 'unsubscribe']);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
    expect(life.grantAt(SECOND_HUB).state).toBe('active');
  });

  test('D10 a hub that is no longer advertised is left, not renewed, when the others work', () => {
    const life = both();
    life.due(9 * DAY).discovered(HUB, SECOND_HUB);
    life.requestedAt(HUB).verified('864000', life.grantAt(HUB).id);
    failed(life.requestedAt(SECOND_HUB), SECOND_HUB);
    life.due(1_000).discovered(HUB);
    expect(life.actions).toEqual(['hook hub-moved', 'unsubscribe']);
    expect(life.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });

  test('D10 a grant is renewed at the old topic when its hub refuses the new topic', () => {
    const life = both();
    const old = life.grantAt(HUB).id;
    life.due(9 * DAY).discoveredAs('https://publisher.example/moved', HUB, SECOND_HUB);
    life.requestedAt(HUB).requestedAt(SECOND_HUB);
    const refusal = { grantId: life.grantAt(HUB).id, requestId: `at ${HUB}`, retryAfterSeconds: 7_200 };
    life.apply({ type: 'refused', failure: failure('refused'), ...refusal });
    life.verified('864000', life.grantAt(SECOND_HUB).id);
    life.due(60_000).discoveredAs('https://publisher.example/moved', HUB, SECOND_HUB);
    expect(life.effects).toContainEqual({ type: 'request', grantId: old, mode: 'subscribe' });
  });

  test('S6 every hub is unsubscribed when the subscription is no longer wanted', () => {
    const life = both().unwanted('unsubscribed');
    expect(life.actions).toEqual(['unsubscribe', 'unsubscribe']);
    expect(stateOf(life.record)).toBe('unsubscribing');
  });

  test('every hub is requested again after a shutdown', () => {
    const life = both().unwanted('shutdown');
    expect(life.apply({ type: 'wanted' }).actions).toEqual(['subscribe', 'subscribe']);
  });

  test('L4 a hub that a shutdown unsubscribed is requested again, also while another hub waits after a failure', () => {
    const life = failed(atAllHubs(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = life.grantAt(SECOND_HUB);
    life.verified('864000', id).unwanted('shutdown').apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    failed(life.due(1_000).requestedAt(HUB), HUB);
    expect(life.apply({ type: 'wanted' }).actions).toEqual(['discover']);
    expect(life.discovered(HUB, SECOND_HUB).effects).toEqual([{ type: 'request', grantId: id, mode: 'subscribe' }]);
  });

  test('L4 a hub that a shutdown unsubscribed is requested again, also when another hub is due', () => {
    const life = failed(atAllHubs(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = life.grantAt(SECOND_HUB);
    life.verified('864000', id).unwanted('shutdown').apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    expect(life.after(1_000).apply({ type: 'wanted' }).actions).toEqual(['subscribe', 'discover']);
  });

  test("one grant is enough again after the option changes to hubs: 'failover'", () => {
    const life = both();
    life.rules = RULES;
    life.due(9 * DAY).discovered(HUB, SECOND_HUB);
    life.requestedAt(HUB).verified('864000', life.grantAt(HUB).id);
    expect(life.grantAt(HUB).state).toBe('active');
    expect(life.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });
});
