import { describe, expect, test } from 'vitest';
import { canConfirm } from '../../../src/subscription/machine/steps/on-verified.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { active, DAY, failure, HUB, Life, SECOND_HUB, TOPIC } from './life.js';

const MOVED = `${TOPIC}/moved`;

/** A renewal that is due, with its discovery in progress. */
const due = (): Life => active().due(9 * DAY);

const dueIn = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

const states = (life: Life): readonly string[] => life.record.grants.map(({ state }) => state);

describe('D10 a renewal', () => {
  test('starts with discovery, and requests the discovered hub', () => {
    const life = due();
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.record.grants).toHaveLength(1);
  });

  test('is requested at the known hub and topic when discovery fails', () => {
    const life = due().apply({ type: 'discovery-failed', failure: failure('discovery') });
    expect(life.actions).toEqual(['hook failed', 'subscribe']);
    expect(life.record).toMatchObject({ lastError: { cause: 'discovery' }, failures: { discovery: { count: 1 } } });
    expect(life.record.attempts).toBe(0);
    expect(stateOf(life.record)).toBe('active');
  });

  test('is requested where it is when discovery takes longer than the verify timeout, even after a crash', () => {
    const life = due();
    expect((dueAt(life.record) ?? 0) - life.now).toBe(60_000);
    expect(life.due(60_000).actions).toEqual(['subscribe']);
    expect(active('10').due(5_000).due(1_000).actions).toEqual(['subscribe']);
  });

  test('is compared with the advertised hub, not with the hub after a 308', () => {
    const life = active();
    life.accepted({ hub: 'https://moved.example/', moved: true });
    life.due(9 * DAY).discovered(HUB);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.record.grants).toMatchObject([{ advertisedHub: HUB, hub: 'https://moved.example/' }]);
  });
});

describe.each([
  ['topic', 'hook topic-moved', (life: Life) => life.discoveredAs(MOVED, HUB)],
  ['hub', 'hook hub-moved', (life: Life) => life.discovered(SECOND_HUB)],
])('D10 a %s that has moved', (_name, told, follow) => {
  test('gets a new grant with a new callback, while the old one continues', () => {
    const life = due();
    const [old] = life.record.grants;
    expect(follow(life).actions).toEqual([told, 'subscribe']);
    expect(states(life)).toEqual(['active', 'requested']);
    expect(life.grant.callback).not.toBe(old?.callback);
    expect(stateOf(life.record)).toBe('active');
  });

  test('S6 is left at the old hub, with the old topic and callback, once the new grant is verified', () => {
    const life = due();
    const [old] = life.record.grants;
    follow(life).requested().verified();
    expect(life.actions).toEqual(['hook verified', 'unsubscribe']);
    const { hub, topic, callback } = old ?? life.grant;
    expect(life.record.grants).toMatchObject([
      { hub, topic, callback, state: 'unsubscribing', superseded: true },
      { state: 'active' },
    ]);
    const leave = life.effects.find(({ type }) => type === 'request');
    expect(leave).toEqual({ type: 'request', grantId: old?.id, mode: 'unsubscribe' });
    life.requested({ grantId: old?.id ?? '', mode: 'unsubscribe', secret: undefined });
    life.apply({ type: 'verified', grantId: old?.id ?? '', mode: 'unsubscribe' });
    expect(states(life)).toEqual(['unsubscribed', 'active']);
    expect(stateOf(life.record)).toBe('active');
  });

  test('is renewed at its old place when the new one fails', () => {
    const life = follow(due()).requested().unreachable();
    expect(life.actions).toEqual(['hook failed']);
    const old = life.record.grants[0]?.id;
    life.due(60_000);
    // The renewal of the old grant is due, and so is the next try at the new place.
    expect(life.effects).toContainEqual({ type: 'discover' });
    follow(life);
    expect(life.effects).toContainEqual({ type: 'request', grantId: old, mode: 'subscribe' });
    life.requested({ grantId: old ?? '', requestId: 'r9' }).verified('864000', old);
    expect(life.record.grants[0]).toMatchObject({ state: 'active', expiresAt: life.now + 10 * DAY });
    expect(states(life)).toHaveLength(2);
  });

  test('is not renewed at its old place while the new hub is requested', () => {
    const life = follow(due());
    expect(life.effects.filter(({ type }) => type === 'request')).toHaveLength(1);
    life.requested();
    life.due(59_000);
    expect(life.actions).toEqual([]);
  });

  test('V1 is not confirmed again at the old callback', () => {
    const life = follow(due()).requested().verified();
    const [old] = life.record.grants;
    expect(old && canConfirm(life.record, old, 'subscribe', life)).toBe(false);
    expect(old && canConfirm(life.record, old, 'unsubscribe', life)).toBe(true);
  });
});

test('L2 a hub that failed several times is not requested sooner because a renewal discovers it', () => {
  const life = due().discovered(SECOND_HUB).requested().unreachable();
  for (let time = 1; time < 3; time += 1)
    life.due(dueIn(life)).requestedAt(SECOND_HUB, { requestId: 'r1' }).unreachable();
  const at = dueAt(life.record);
  expect(life.record.nextAttemptAt).toBe(at);
  expect(life.discovered(SECOND_HUB).actions).toEqual([]);
  expect(life.record.nextAttemptAt).toBe(at);
  expect(life.due(dueIn(life)).discovered(SECOND_HUB).actions).toContain('subscribe');
});

describe('a grant that has been left', () => {
  const left = (): Life => due().discovered(SECOND_HUB).requested().verified();

  test('is unsubscribed again and again, slowly, until its lease ends', () => {
    const life = left();
    const old = life.record.grants[0]?.id ?? '';
    const leaving = { grantId: old, mode: 'unsubscribe', secret: undefined } as const;
    const { random } = life;
    life.requested({ ...leaving, requestId: 'r5' });
    life.apply({ type: 'unreachable', grantId: old, requestId: 'r5', failure: failure('unreachable') });
    expect(life.record.grants[0]?.nextAttemptAt).toBe(life.now + 60_000 * random);
    expect(life.record.lastError).toBeUndefined();
    expect(life.record.attempts).toBe(0);
    life.due(DAY);
    expect(life.record.grants[0]).toMatchObject({ state: 'unsubscribed', endedAt: life.now });
    expect(life.actions).toContain('hook unsubscribed');
  });

  test('stays left after a restart and a retry', () => {
    const life = left();
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    expect(life.apply({ type: 'retried' }).actions).toEqual([]);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
  });

  test('N1 may be denied without stopping the subscription or the unsubscribe requests', () => {
    const life = left();
    const { lastError } = life.record;
    life.denied(life.record.grants[0]?.id);
    expect(life.actions).toEqual([]);
    expect(life.record).toMatchObject({ stoppedBecause: undefined });
    expect(life.record.lastError).toEqual(lastError);
    expect(stateOf(life.record)).toBe('active');
    expect(life.due(60_000).effects).toEqual([{ type: 'request', grantId: 'g1', mode: 'unsubscribe' }]);
  });

  test('is one of at most sixteen that are stored', () => {
    const life = active();
    for (let time = 0; time < 40; time += 1) {
      life.due(9 * DAY).discoveredAs(`${TOPIC}/${time}`, HUB);
      life.requested({ requestId: `r${time}` }).verified();
    }
    expect(life.record.grants.length).toBeLessThanOrEqual(18);
    expect(life.grant.state).toBe('active');
  });
});

describe('N2 a hub that is requested under another public URL', () => {
  const elsewhere = (): Life => {
    const life = active();
    life.callbackOf = (path) => `https://other.example/${path}`;
    return life.apply({ type: 'wanted' }).discovered().requested();
  };

  const [OLD, NEW] = ['g1', 'g2'];

  test('and denies is retried by N2, while the grant under the old URL works and is renewed', () => {
    const life = elsewhere().denied();
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('active');
    life.due(60_000);
    expect(life.actions).toEqual([]);
    expect(dueAt(life.record)).toBe(life.now + 30_000);
    life.due(30_000).discovered();
    expect(life.effects).toEqual([{ type: 'request', grantId: NEW, mode: 'subscribe' }]);
    life.requested({ grantId: NEW, requestId: 'r2' }).verified('864000', NEW);
    expect(states(life)).toEqual(['unsubscribing', 'active']);
  });

  test('and denies is not requested again by a start', () => {
    const life = elsewhere().denied().due(60_000);
    const at = dueAt(life.record);
    life.apply({ type: 'wanted' });
    expect(life.actions).not.toContain('subscribe');
    expect(life.discovered().actions).toEqual([]);
    expect(dueAt(life.record)).toBe(at);
  });

  test('and denies the old grant unsolicited is already requested under the new URL', () => {
    const life = elsewhere().denied(OLD);
    expect(life.actions).toEqual(['hook denied']);
    expect(stateOf(life.record)).toBe('verifying');
    expect(dueAt(life.record)).toBe(life.grant.pending?.deadline);
    life.unreachable();
    expect(life.actions).toEqual(['hook failed']);
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(dueIn(life)).toBe(1_000);
  });

  test('and denies the old grant is unsubscribed from it once it grants the new one', () => {
    const life = elsewhere().denied(OLD).verified();
    expect(life.actions).toEqual(['hook verified', 'unsubscribe', 'catch up']);
    expect(stateOf(life.record)).toBe('active');
    expect(life.due(9 * DAY).discovered().effects).toContainEqual({ type: 'request', grantId: NEW, mode: 'subscribe' });
  });
});
