import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { active, DAY, failure, HUB, Life, SECOND_HUB, verifying } from '../life.js';

const MINUTE = 60_000;

/** A life whose first request is put off for ten minutes, as its hub's origin answered 429 to another one. */
function held(...hubs: readonly string[]): Life {
  const life = new Life().apply({ type: 'wanted' }).discovered(...hubs);
  return heldBack(life);
}

const heldBack = (life: Life, minutes = 10): Life =>
  life.apply({ type: 'request-deferred', grantId: life.grant.id, until: life.now + minutes * MINUTE });

describe('S3 a request that is held back', () => {
  test('waits without counting a failure, and asks no other hub', () => {
    const life = held(HUB, SECOND_HUB);
    expect(life.asked).toEqual([]);
    expect(life.record).toMatchObject({ attempts: 0, passedOver: [] });
    expect(life.record.lastError).toBeUndefined();
    expect(life.record.grants).toMatchObject([{ advertisedHub: HUB, state: 'requested', attempts: 0 }]);
    expect(dueAt(life.record)).toBe(life.now + 10 * MINUTE);
  });

  test('leaves when its time has come', () => {
    const life = held().due(10 * MINUTE);
    expect(life.asked).toEqual(['subscribe']);
    life.requested();
    expect(life.grant).toMatchObject({ state: 'verifying', deferredUntil: undefined, nextAttemptAt: undefined });
  });

  test.each([
    ['a start', (life: Life) => life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB)],
    ['a discovery', (life: Life) => life.discovered(HUB, SECOND_HUB)],
    [
      'a discovery that failed',
      (life: Life) => life.apply({ type: 'discovery-failed', failure: failure('discovery') }),
    ],
    ['subscribe()', (life: Life) => life.apply({ type: 'retried' }).discovered(HUB, SECOND_HUB)],
    ['new counters', (life: Life) => life.apply({ type: 'counters-reset' }).discovered(HUB, SECOND_HUB)],
  ])('is not asked for sooner because of %s', (_what, happens) => {
    const life = held(HUB, SECOND_HUB).after(MINUTE);
    happens(life);
    expect(life.asked).not.toContain('subscribe');
    expect(life.record.grants).toMatchObject([{ advertisedHub: HUB }]);
    life.due(9 * MINUTE);
    expect(life.asked).toEqual(['subscribe']);
  });

  test('may be held back once more', () => {
    const life = heldBack(held().due(10 * MINUTE), 5);
    expect(dueAt(life.record)).toBe(life.now + 5 * MINUTE);
  });

  test('of a renewal leaves what works as it is', () => {
    const life = active()
      .due(9 * DAY)
      .discovered();
    const { state, expiresAt, secrets } = life.grant;
    heldBack(life);
    expect(life.grant).toMatchObject({ state, expiresAt, secrets, attempts: 0, renewalDue: undefined });
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
    life.due(10 * MINUTE);
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
  });

  test('of one that failed before stays failed, with its failures', () => {
    const life = heldBack(verifying().unreachable().due(1_000));
    expect(life.grant).toMatchObject({ state: 'failed', attempts: 1 });
    expect(life.apply({ type: 'wanted' }).asked).toEqual([]);
  });

  test('with each of several hubs waits by itself', () => {
    const life = new Life();
    life.rules = { ...life.rules, hubs: 'all' };
    life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    life.apply({ type: 'request-deferred', grantId: life.grantAt(HUB).id, until: life.now + 10 * MINUTE });
    life.requestedAt(SECOND_HUB).discovered(HUB, SECOND_HUB);
    expect(life.asked).toEqual([]);
    expect(life.grantAt(HUB).nextAttemptAt).toBe(life.now + 10 * MINUTE);
  });

  test('that met a redirect to a held origin is not open any more', () => {
    const life = verifying().apply({ type: 'request-deferred', grantId: 'g1', until: 0, requestId: 'another' });
    expect(life.grant).toMatchObject({ state: 'verifying', pending: { id: 'r1' } });
    const until = life.now + MINUTE;
    life.apply({ type: 'request-deferred', grantId: 'g1', until, requestId: 'r1' });
    expect(life.grant).toMatchObject({ state: 'requested', pending: undefined, nextAttemptAt: until });
    life.refused();
    expect(life.record.attempts).toBe(0);
  });

  test.each([
    ['is open', () => verifying()],
    ['was withdrawn', () => verifying().refused().discovered(SECOND_HUB)],
    ['is to end', () => active().unwanted('unsubscribed')],
    ['is unwanted', () => new Life().apply({ type: 'wanted' }).discovered().unwanted('unsubscribed')],
  ])('is none where it %s', (_what, reached) => {
    const life = reached();
    const [{ id } = { id: '' }] = life.record.grants;
    if (_what === 'was withdrawn') life.record = withoutSchedule(life, id);
    const before = life.record;
    expect(life.apply({ type: 'request-deferred', grantId: id, until: life.now + MINUTE }).record).toBe(before);
    expect(life.apply({ type: 'request-deferred', grantId: 'gone', until: 0 }).record).toBe(before);
  });

  test('by a clock that was set back does not wait for that clock', () => {
    const life = held().after(-DAY);
    expect(life.apply({ type: 'wanted' }).discovered().asked).toEqual(['subscribe']);
  });
});

describe('S3 retry(id)', () => {
  test('does not wait for what holds the request back', () => {
    const life = held(HUB, SECOND_HUB).apply({ type: 'retried', atOnce: true });
    expect(life.effects).toEqual([{ type: 'release' }, { type: 'discover' }]);
    expect(life.discovered(HUB, SECOND_HUB).asked).toEqual(['subscribe']);
  });

  test('has a renewal done that was held back, though it was planned for later', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered();
    heldBack(life);
    life.apply({ type: 'retried', atOnce: true });
    expect(life.effects).toContainEqual({ type: 'release' });
    expect(life.due().asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
  });
});

describe('S3 the grant that was answered 429', () => {
  const answered = (status: number, retryAfterSeconds: number, random = 0.5): Life => {
    const life = verifying();
    life.random = random;
    const { id: grantId } = life.grant;
    const why = failure('hub-error', life.now);
    return life.apply({ type: 'unreachable', grantId, requestId: 'r1', failure: why, retryAfterSeconds, status });
  };

  test('waits as long as asked, and no two come back at once', () => {
    const [first, second] = [answered(429, 600, 0), answered(429, 600, 0.9)];
    expect(first.grant).toMatchObject({ notBefore: first.now + 600_000, nextAttemptAt: first.now + 600_000 });
    expect(second.grant.nextAttemptAt).toBe(second.now + 600_000 + 54_000);
  });

  test('waits for a day at most', () => {
    const life = answered(429, 10 * 86_400);
    expect(life.grant.notBefore).toBe(life.now + DAY);
  });

  test('is spread by no other status, and by none without Retry-After', () => {
    expect(answered(503, 600).grant.nextAttemptAt).toBe(answered(503, 600).now + 600_000);
    expect(answered(429, 0).grant.nextAttemptAt).toBe(answered(429, 0).now + 1_000);
  });
});

function withoutSchedule({ record }: Life, grantId: string): Life['record'] {
  const withdrawn = (grant: Life['grant']): Life['grant'] => ({ ...grant, nextAttemptAt: undefined });
  return { ...record, grants: record.grants.map((grant) => (grant.id === grantId ? withdrawn(grant) : grant)) };
}
