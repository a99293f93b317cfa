import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { active, DAY, failure, HUB, Life, SECOND_HUB, verifying } from '../life.js';

const MINUTE = 60_000;

/**
 * A life whose first request is deferred for ten minutes, because the origin of its hub answered 429 to another one.
 */
function deferredRequest(...hubs: readonly string[]): Life {
  const life = new Life().apply({ type: 'wanted' }).discovered(...hubs);
  return deferred(life);
}

const deferred = (life: Life, minutes = 10): Life =>
  life.apply({ type: 'request-deferred', grantId: life.grant.id, until: life.now + minutes * MINUTE });

describe('S3 a deferred request', () => {
  test('waits without counting a failure, and no other hub is requested', () => {
    const life = deferredRequest(HUB, SECOND_HUB);
    expect(life.actions).toEqual([]);
    expect(life.record).toMatchObject({ attempts: 0, passedOver: [] });
    expect(life.record.lastError).toBeUndefined();
    expect(life.record.grants).toMatchObject([{ advertisedHub: HUB, state: 'requested', attempts: 0 }]);
    expect(dueAt(life.record)).toBe(life.now + 10 * MINUTE);
  });

  test('is sent when its time has come', () => {
    const life = deferredRequest().due(10 * MINUTE);
    expect(life.actions).toEqual(['subscribe']);
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
  ])('is not sent sooner because of %s', (_name, happens) => {
    const life = deferredRequest(HUB, SECOND_HUB).after(MINUTE);
    happens(life);
    expect(life.actions).not.toContain('subscribe');
    expect(life.record.grants).toMatchObject([{ advertisedHub: HUB }]);
    life.due(9 * MINUTE);
    expect(life.actions).toEqual(['subscribe']);
  });

  test('may be deferred again', () => {
    const life = deferred(deferredRequest().due(10 * MINUTE), 5);
    expect(dueAt(life.record)).toBe(life.now + 5 * MINUTE);
  });

  test('leaves the working grant as it is if it is a renewal', () => {
    const life = active()
      .due(9 * DAY)
      .discovered();
    const { state, expiresAt, secrets } = life.grant;
    deferred(life);
    expect(life.grant).toMatchObject({ state, expiresAt, secrets, attempts: 0, isRenewalStarted: undefined });
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
    life.due(10 * MINUTE);
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
  });

  test('stays failed, with its failures, if it failed before', () => {
    const life = deferred(verifying().unreachable().due(1_000));
    expect(life.grant).toMatchObject({ state: 'failed', attempts: 1 });
    expect(life.apply({ type: 'wanted' }).actions).toEqual([]);
  });

  test('waits on its own with several hubs', () => {
    const life = new Life();
    life.rules = { ...life.rules, hubs: 'all' };
    life.apply({ type: 'wanted' }).discovered(HUB, SECOND_HUB);
    life.apply({ type: 'request-deferred', grantId: life.grantAt(HUB).id, until: life.now + 10 * MINUTE });
    life.requestedAt(SECOND_HUB).discovered(HUB, SECOND_HUB);
    expect(life.actions).toEqual([]);
    expect(life.grantAt(HUB).nextAttemptAt).toBe(life.now + 10 * MINUTE);
  });

  test('is no longer open after a redirect to a rate limited origin', () => {
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
    ['belongs to an unwanted grant', () => active().unwanted('unsubscribed')],
    ['belongs to an ended grant', () => new Life().apply({ type: 'wanted' }).discovered().unwanted('unsubscribed')],
  ])('is ignored if the request %s', (name, startLife) => {
    const life = startLife();
    const [{ id } = { id: '' }] = life.record.grants;
    if (name === 'was withdrawn') life.record = withoutSchedule(life, id);
    const before = life.record;
    expect(life.apply({ type: 'request-deferred', grantId: id, until: life.now + MINUTE }).record).toBe(before);
    expect(life.apply({ type: 'request-deferred', grantId: 'gone', until: 0 }).record).toBe(before);
  });

  test('ignores a wait that was set before the clock was set back', () => {
    const life = deferredRequest().after(-DAY);
    expect(life.apply({ type: 'wanted' }).discovered().actions).toEqual(['subscribe']);
  });
});

describe('S3 retry(id)', () => {
  test('does not wait for a deferral', () => {
    const life = deferredRequest(HUB, SECOND_HUB).apply({ type: 'retried', isImmediate: true });
    expect(life.effects).toEqual([{ type: 'bypass-rate-limits' }, { type: 'discover' }]);
    expect(life.discovered(HUB, SECOND_HUB).actions).toEqual(['subscribe']);
  });

  test('makes a deferred renewal due, although it was planned for later', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered();
    deferred(life);
    life.apply({ type: 'retried', isImmediate: true });
    expect(life.effects).toContainEqual({ type: 'bypass-rate-limits' });
    expect(life.due().actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
  });
});

describe('S3 a grant that was answered 429', () => {
  const answered = (status: number, retryAfterSeconds: number, random = 0.5): Life => {
    const life = verifying();
    life.random = random;
    const { id: grantId } = life.grant;
    const error = failure('hub-error', life.now);
    return life.apply({ type: 'unreachable', grantId, requestId: 'r1', failure: error, retryAfterSeconds, status });
  };

  test('waits as long as asked, and no two come back at once', () => {
    const [first, second] = [answered(429, 600, 0), answered(429, 600, 0.9)];
    expect(first.grant).toMatchObject({ notBefore: first.now + 600_000, nextAttemptAt: first.now + 600_000 });
    expect(second.grant.nextAttemptAt).toBe(second.now + 600_000 + 54_000);
  });

  test('waits a day at most', () => {
    const life = answered(429, 10 * 86_400);
    expect(life.grant.notBefore).toBe(life.now + DAY);
  });

  test('is spread only for 429, and only with Retry-After', () => {
    expect(answered(503, 600).grant.nextAttemptAt).toBe(answered(503, 600).now + 600_000);
    expect(answered(429, 0).grant.nextAttemptAt).toBe(answered(429, 0).now + 1_000);
  });
});

function withoutSchedule({ record }: Life, grantId: string): Life['record'] {
  const withdrawn = (grant: Life['grant']): Life['grant'] => ({ ...grant, nextAttemptAt: undefined });
  return { ...record, grants: record.grants.map((grant) => (grant.id === grantId ? withdrawn(grant) : grant)) };
}
