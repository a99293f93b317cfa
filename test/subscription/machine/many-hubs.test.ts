import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, Life, RULES, SECOND_HUB } from './life.js';

const THIRD_HUB = 'https://third-hub.example/';

/** A subscription that is to be had from every advertised hub. */
function everywhere(...hubs: readonly string[]): Life {
  const life = new Life();
  life.rules = { ...RULES, hubs: 'all' };
  return life.apply({ type: 'wanted' }).discovered(...hubs);
}

const both = (): Life => {
  const life = everywhere(HUB, SECOND_HUB);
  for (const hub of [HUB, SECOND_HUB]) life.requestedAt(hub).verified('864000', life.grantAt(hub).id);
  return life;
};

const failed = (life: Life, hub: string): Life => {
  const { id } = life.grantAt(hub);
  return life.apply({ type: 'unreachable', grantId: id, requestId: `at ${hub}`, failure: failure('unreachable') });
};

describe('D8 with several hubs', () => {
  test('S8 each is asked, and each with a callback of its own', () => {
    const life = everywhere(HUB, SECOND_HUB, THIRD_HUB);
    expect(life.asked).toEqual(['subscribe', 'subscribe', 'subscribe']);
    expect(new Set(life.record.grants.map(({ callback }) => callback)).size).toBe(3);
    expect(life.record.grants.map(({ advertisedHub }) => advertisedHub)).toEqual([HUB, SECOND_HUB, THIRD_HUB]);
  });

  test('all that verify are kept', () => {
    const life = both();
    expect(life.record.grants.map(({ state }) => state)).toEqual(['active', 'active']);
    expect(life.asked).toEqual(['tell verified']);
  });

  test('each is renewed in its own time', () => {
    const life = both();
    life.due(9 * DAY);
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered(HUB, SECOND_HUB).asked).toEqual(['subscribe', 'subscribe']);
  });

  test('no hub is asked at the moment another one makes it give up', () => {
    const life = everywhere(HUB, SECOND_HUB);
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.requestedAt(SECOND_HUB).due(60_000);
    expect(life.record.stoppedBecause).toBe('gave-up');
    expect(life.asked).toEqual(['tell failed']);
  });

  test('L2 one that fails is asked again by a schedule of its own, which the others do not change', () => {
    const life = everywhere(HUB, SECOND_HUB);
    life.requestedAt(HUB).requestedAt(SECOND_HUB);
    failed(life, HUB);
    expect(life.asked).toEqual(['tell failed']);
    const again = life.grantAt(HUB).nextAttemptAt;
    expect(again).toBe(life.now + 1_000);
    life.verified('864000', life.grantAt(SECOND_HUB).id);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'failed', nextAttemptAt: again });
    expect(stateOf(life.record)).toBe('active');
    expect(dueAt(life.record)).toBe(again);
    expect(life.due(1_000).asked).toEqual(['subscribe']);
  });

  test('N1 one that denies unasked is asked what it means, and the others go on', () => {
    const life = both().denied();
    expect(life.asked).toEqual(['tell denied']);
    expect(stateOf(life.record)).toBe('active');
    life.after(10_000).denied(life.grantAt(HUB).id);
    expect(stateOf(life.record)).toBe('denied');
    const second = life.grantAt(SECOND_HUB).id;
    expect(life.due(80_000).asked).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ advertisedHub: SECOND_HUB, replaces: second });
    life.requestedAt(SECOND_HUB).verified('864000', life.grant.id);
    expect(life.effects).toContainEqual({ type: 'request', grantId: second, mode: 'unsubscribe' });
    expect(life.grantAt(HUB).state).toBe('active');
    expect(life.due(10_000).asked).toEqual(['subscribe']);
  });

  test('N2 one that denies is asked again by its own schedule, which the others do not change', () => {
    const life = everywhere(HUB, SECOND_HUB, THIRD_HUB);
    for (const hub of [HUB, SECOND_HUB, THIRD_HUB]) life.requestedAt(hub);
    failed(life, SECOND_HUB);
    const again = life.grantAt(SECOND_HUB).nextAttemptAt;
    life.denied(life.grantAt(HUB).id);
    // Neither the one that waits is asked sooner, nor the one that is being asked twice.
    expect(life.asked).toEqual(['tell denied']);
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

  test("N2 afterDenial: 'stop' holds when all have denied, and not before", () => {
    const life = everywhere(HUB, SECOND_HUB);
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

  test('D10 one that is advertised from now on is asked as well, and one no longer is left', () => {
    const life = both();
    life.due(9 * DAY).discovered(SECOND_HUB, THIRD_HUB);
    expect(life.effects).toContainEqual({ type: 'request', grantId: life.grantAt(THIRD_HUB).id, mode: 'subscribe' });
    life.requestedAt(THIRD_HUB).verified('864000', life.grantAt(THIRD_HUB).id);
    expect(life.asked).toEqual(['tell verified', 'unsubscribe']);
    expect(life.grantAt(HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
    expect(life.grantAt(SECOND_HUB).state).toBe('active');
  });

  test('D10 one no longer advertised is left, not renewed, when the others work', () => {
    const life = both();
    life.due(9 * DAY).discovered(HUB, SECOND_HUB);
    life.requestedAt(HUB).verified('864000', life.grantAt(HUB).id);
    failed(life.requestedAt(SECOND_HUB), SECOND_HUB);
    life.due(1_000).discovered(HUB);
    expect(life.asked).toEqual(['tell hub-moved', 'unsubscribe']);
    expect(life.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });

  test('D10 a topic that has moved and is not to be had at one of them is renewed there as it was', () => {
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

  test('S6 each is asked to stop when it is wanted no more, and told when it has', () => {
    const life = both().unwanted('unsubscribed');
    expect(life.asked).toEqual(['unsubscribe', 'unsubscribe']);
    expect(stateOf(life.record)).toBe('unsubscribing');
  });

  test('each is asked again after a stop', () => {
    const life = both().unwanted('shutdown');
    expect(life.apply({ type: 'wanted' }).asked).toEqual(['subscribe', 'subscribe']);
  });

  test('L4 one that was left by a stop is asked again, also while another one waits after a failure', () => {
    const life = failed(everywhere(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = life.grantAt(SECOND_HUB);
    life.verified('864000', id).unwanted('shutdown').apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    failed(life.due(1_000).requestedAt(HUB), HUB);
    expect(life.apply({ type: 'wanted' }).asked).toEqual(['discover']);
    expect(life.discovered(HUB, SECOND_HUB).effects).toEqual([{ type: 'request', grantId: id, mode: 'subscribe' }]);
  });

  test('L4 one that was left by a stop is asked again, also where another one is due', () => {
    const life = failed(everywhere(HUB, SECOND_HUB).requestedAt(HUB).requestedAt(SECOND_HUB), HUB);
    const { id } = life.grantAt(SECOND_HUB);
    life.verified('864000', id).unwanted('shutdown').apply({ type: 'verified', grantId: id, mode: 'unsubscribe' });
    expect(life.after(1_000).apply({ type: 'wanted' }).asked).toEqual(['subscribe', 'discover']);
  });

  test('one is enough again when the service says so', () => {
    const life = both();
    life.rules = RULES;
    life.due(9 * DAY).discovered(HUB, SECOND_HUB);
    life.requestedAt(HUB).verified('864000', life.grantAt(HUB).id);
    expect(life.grantAt(HUB).state).toBe('active');
    expect(life.grantAt(SECOND_HUB)).toMatchObject({ state: 'unsubscribing', superseded: true });
  });
});
