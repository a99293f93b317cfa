import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, failure, HUB, Life, TOPIC, verifying } from '../life.js';

const handlerRefused = (life: Life): Life =>
  life.apply({
    type: 'handler-refused',
    grantId: life.grant.id,
    mode: 'subscribe',
    failure: failure('handler-refused'),
  });

const started = (life: Life, milliseconds = 0): Life => life.after(milliseconds).apply({ type: 'wanted' });

describe('a start', () => {
  test('L4 leaves a leased grant alone', () => {
    const life = active();
    const before = life.record;
    expect(started(life, DAY).record).toBe(before);
    expect(life.actions).toEqual([]);
  });

  test('L4 requests again after a verification whose answer may not have been sent', () => {
    const life = verifying().accepted();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
    expect(started(life, 1_000).actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.state).toBe('active');
  });

  test('L4 spreads renewals that came due meanwhile', () => {
    const spread = [0, 0.5, 0.999].map((random) => {
      const life = active();
      life.after(9 * DAY).random = random;
      started(life);
      return (dueAt(life.record) ?? 0) - life.now;
    });
    expect(spread[1]).toBe(15_000);
    expect(spread[2]).toBeLessThan(30_000);
  });

  test('L4 spreads an overdue renewal early enough for its lease', () => {
    const life = active('10');
    life.random = 0.999;
    started(life, 6_000);
    expect((dueAt(life.record) ?? 0) - life.now).toBeLessThan(1_000);
    expect(life.due(1_000).actions).toEqual(['discover']);
  });

  test('L3 subscribes again at once after a lease that ended meanwhile', () => {
    const life = started(active(), 11 * DAY);
    expect(life.actions).toEqual(['hook expired', 'discover']);
    expect(stateOf(life.record)).toBe('expired');
  });

  test('restarts an interrupted discovery', () => {
    expect(started(new Life().apply({ type: 'wanted' }), 2_000).actions).toEqual(['discover']);
  });

  test('requests a grant whose request was never stored', () => {
    const life = new Life().apply({ type: 'wanted' }).discovered();
    expect(started(life, 2_000).actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
  });

  test('S2 sends a request without an answer again, because it may not have been sent', () => {
    const life = started(verifying(), 2_000);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant.pending).toMatchObject({ id: 'r2', deadline: life.now + 60_000 });
  });

  test('waits for the verification of an accepted request', () => {
    const life = started(verifying().accepted(), 2_000);
    expect(life.actions).toEqual([]);
    expect(life.due(60_000).actions).toEqual(['hook failed']);
  });

  test('counts the failure of a request whose deadline passed meanwhile', () => {
    const life = started(verifying().accepted(), DAY);
    expect(life.actions).toEqual(['hook failed']);
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('L2 keeps a wait after a failure', () => {
    const life = verifying().unreachable(3_600);
    const again = dueAt(life.record);
    expect(started(life, 60_000).actions).toEqual([]);
    expect(dueAt(life.record)).toBe(again);
  });

  test('L2 sends a request when the wait is over', () => {
    expect(started(verifying().unreachable(), DAY).actions).toEqual(['subscribe']);
  });

  test('S6 subscribes again under the same callback after an unsubscribe that the shutdown interrupted', () => {
    const life = active();
    const { id, callback } = life.grant;
    started(life.unwanted('shutdown').requested(), 2_000);
    expect(life.actions).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ id, callback, state: 'active', pending: undefined });
    expect(life.requested({ requestId: 'r2' }).verified().actions).toEqual(['hook renewed']);
  });

  test('starts again after an interrupted unsubscribe whose lease is over', () => {
    const life = started(active().unwanted('shutdown').requested(), 11 * DAY);
    expect(life.actions).toEqual(['discover']);
    expect(stateOf(life.record)).toBe('expired');
  });

  test('subscribes again under the same callback after the shutdown unsubscribed it', () => {
    const life = active();
    const { callback } = life.grant;
    life.unwanted('shutdown').requested();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(stateOf(life.record)).toBe('unsubscribed');
    expect(started(life, DAY).actions).toEqual(['discover']);
    expect(stateOf(life.record)).toBe('requested');
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ callback, endedAt: undefined });
  });

  test.each(['unsubscribed', 'deleted'] as const)('leaves a subscription alone that was %s', (why) => {
    expect(started(active().unwanted(why).requested(), 2_000).actions).toEqual([]);
    expect(started(verifying().unwanted(why), 2_000).actions).toEqual([]);
  });
});

describe('a subscription that is no longer wanted', () => {
  test.each(['unsubscribed', 'deleted'] as const)(
    'is unsubscribed at its hub if it is live, and triggers its hook afterwards: %s',
    (why) => {
      const life = active().unwanted(why);
      expect(life.actions).toEqual(['unsubscribe']);
      life.requested().apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
      expect(life.actions).toEqual(['hook unsubscribed']);
      expect(life.record).toMatchObject({ desired: 'unsubscribed', stoppedBecause: why });
      expect(dueAt(life.record)).toBeUndefined();
    },
  );

  test('ends at once if nothing is live, and triggers its hook once', () => {
    const life = verifying().unwanted('unsubscribed');
    expect(life.effects).toEqual([{ type: 'hook', name: 'unsubscribed', grantId: life.grant.id }]);
    expect(life.grant).toMatchObject({ state: 'unsubscribed', pending: undefined, endedAt: life.now });
    expect(life.unwanted('unsubscribed').actions).toEqual([]);
    expect(new Life().unwanted('unsubscribed').effects).toEqual([{ type: 'hook', name: 'unsubscribed' }]);
  });

  test('may be wanted again while the unsubscribe is in progress and afterwards', () => {
    const unsubscribing = active().unwanted('unsubscribed').requested();
    expect(unsubscribing.apply({ type: 'retried' }).actions).toEqual(['subscribe']);
    const unsubscribed = active().unwanted('unsubscribed').requested();
    unsubscribed.apply({ type: 'verified', grantId: unsubscribed.grant.id, mode: 'unsubscribe' });
    expect(unsubscribed.apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test('S8 gets another callback when it is wanted again before a hub ever granted it', () => {
    const life = verifying();
    const { callback } = life.grant;
    life.unwanted('unsubscribed').apply({ type: 'retried' }).discovered();
    expect(life.grant.callback).not.toBe(callback);
    expect(life.record.grants).toHaveLength(2);
  });

  test('S6 is unsubscribed once more at a shutdown if its hub did not comply before', () => {
    const life = active().unwanted('unsubscribed').requested().unreachable();
    expect(life.actions).toEqual(['hook failed']);
    expect(life.unwanted('shutdown').actions).toEqual(['unsubscribe']);
    expect(life.grant.attempts).toBe(0);
    expect(life.requested().unwanted('shutdown').actions).toEqual([]);
  });

  test('is unwanted only until the next start after a shutdown', () => {
    const life = active().unwanted('shutdown');
    expect(life.actions).toEqual(['unsubscribe']);
    expect(life.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined });
    expect(verifying().unwanted('shutdown').grant.state).toBe('verifying');
  });

  test('counts the failures of its unsubscribe requests from zero', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable()
      .unwanted('shutdown');
    expect(life.grant.attempts).toBe(0);
  });
});

describe('a retry', () => {
  test('L1 renews at once a grant that waits after a failed renewal', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(life.after(1_000).apply({ type: 'retried' }).actions).toEqual(['discover']);
  });

  test.each(['retried', 'counters-reset'] as const)('%s resumes a wanted renewal that failed', (type) => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested({ requestId: 'r1' });
    expect(life.unreachable(3_600).apply({ type }).actions).toEqual(['discover']);
  });

  test('S3 does not wait for a Retry-After', () => {
    const life = verifying().unreachable(3_600).apply({ type: 'retried' });
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
  });

  test('continues a started renewal, so that the hub gets the changed parameters', () => {
    const life = active().apply({ type: 'retried', overrides: { secret: 'another' } });
    expect(life.actions).toEqual(['discover']);
    life.apply({ type: 'retried' });
    expect(life.discovered().actions).toEqual(['subscribe']);
  });

  test('leaves a pending request alone', () => {
    expect(verifying().apply({ type: 'retried' }).actions).toEqual([]);
  });

  test('takes new overrides if there are any, and keeps those it has', () => {
    const life = verifying().apply({ type: 'retried', overrides: { leaseSeconds: 60 } });
    expect(life.record.overrides).toEqual({ leaseSeconds: 60 });
    expect(life.apply({ type: 'retried' }).record.overrides).toEqual({ leaseSeconds: 60 });
  });

  test.each([
    { leaseSeconds: 60 },
    { secret: 'another' },
    { secret: false as const },
    { customParams: { tenant: 'a' } },
  ])('with new overrides renews a live grant at once: %j', (overrides) => {
    const life = active().after(DAY).apply({ type: 'retried', overrides });
    expect(life.actions).toEqual(['discover']);
    expect(life.grant.state).toBe('active');
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides }).actions).toEqual([]);
  });

  test('with new overrides replaces those that are set, and keeps the others', () => {
    const life = active().apply({ type: 'retried', overrides: { leaseSeconds: 60, customParams: { a: '1', b: '2' } } });
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides: { customParams: { c: '3' } } }).actions).toEqual(['discover']);
    expect(life.record.overrides).toEqual({ leaseSeconds: 60, customParams: { c: '3' } });
  });

  test('with the same parameters in another order requests nothing', () => {
    const life = active().apply({ type: 'retried', overrides: { customParams: { a: '1', b: '2' } } });
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1' } } }).actions).toEqual([]);
    expect(life.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1', c: '3' } } }).actions).toEqual([
      'discover',
    ]);
  });

  test('with new overrides during a request renews once that is verified, and only once', () => {
    const life = verifying().apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
    expect(life.actions).toEqual([]);
    life.accepted().verified();
    expect(dueAt(life.record)).toBe(life.now);
    expect(life.due().actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    life.requested({ requestId: 'r2' }).verified();
    expect(dueAt(life.record)).toBeGreaterThan(life.now + DAY);
  });

  test.each([
    ['a first request', verifying().accepted()],
    [
      'a renewal',
      active()
        .due(9 * DAY)
        .discovered()
        .requested()
        .accepted(),
    ],
  ])(
    'with new overrides renews once %s is verified late, because that request had the previous overrides',
    (_name, life) => {
      life.due(dueIn(life)).apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
      life.verified().discovered();
      expect(life.actions).toEqual([]);
      expect(dueAt(life.record)).toBe(life.now);
    },
  );

  test('with a new secret during a request renews, even if the request is repeated in another form', () => {
    const life = verifying().apply({ type: 'retried', overrides: { secret: 'another' } });
    life.requested({ requestId: 'r2', insteadOf: 'r1' }).verified();
    expect(dueAt(life.record)).toBe(life.now);
    life.due().discovered().requested({ requestId: 'r3' }).verified();
    expect(dueAt(life.record)).toBeGreaterThan(life.now + DAY);
  });

  test('with new overrides during a failed renewal sends one request', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(life.apply({ type: 'retried', overrides: { leaseSeconds: 60 } }).actions).toEqual(['discover']);
  });
});

describe('a renewal that the user wants', () => {
  test('D10 starts at once, with discovery', () => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).verified().actions).toEqual(['hook renewed']);
  });

  test('does not start twice, nor for a grant that does not work', () => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(life.apply({ type: 'renewal-wanted' }).actions).toEqual([]);
    expect(life.discovered().requested().apply({ type: 'renewal-wanted' }).actions).toEqual([]);
    for (const other of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { record } = other;
      expect(other.apply({ type: 'renewal-wanted' }).record).toBe(record);
    }
  });
});

describe('a reset of the counters', () => {
  test('forgets failures by cause, and retries at once what waits because of them', () => {
    const life = verifying().unreachable(3_600);
    expect(life.record.failures).toMatchObject({ unreachable: { count: 1 } });
    life.apply({ type: 'counters-reset' });
    expect(life.record).toMatchObject({ attempts: 0, failures: undefined, grants: [{ attempts: 0 }] });
    expect(life.actions).toEqual(['discover']);
  });

  test('S6 retries a failed unsubscribe at once', () => {
    const life = active().unwanted('unsubscribed').requested().refused();
    expect(life.apply({ type: 'counters-reset' }).grant.attempts).toBe(0);
    expect(life.due().actions).toEqual(['unsubscribe']);
  });

  test('enables a subscription that gave up, and keeps other stop reasons', () => {
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    expect(gaveUp.unreachable().record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.apply({ type: 'counters-reset' }).record.stoppedBecause).toBeUndefined();
    expect(gaveUp.actions).toEqual(['discover']);
    const refused = handlerRefused(verifying());
    expect(refused.apply({ type: 'counters-reset' }).record.stoppedBecause).toBe('handler-refused');
    expect(refused.actions).toEqual([]);
  });

  test.each(['denied', 'refused'] as const)('N2 does not lead to an earlier request at a hub that has %s', (how) => {
    const life = verifying().accepted()[how]();
    const at = life.grant.notBefore ?? life.record.nextAttemptAt ?? 0;
    life.after(1_000).apply({ type: 'counters-reset' });
    expect(life.actions).toEqual(['discover']);
    expect(life.discovered().actions).toEqual([]);
    expect(life.record.nextAttemptAt).toBe(at);
    const renewal = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted();
    renewal[how]();
    const next = dueAt(renewal.record);
    expect(dueAt(renewal.apply({ type: 'counters-reset' }).record)).toBe(next);
    expect(renewal.actions).toEqual([]);
  });

  test('leaves a working grant that is not due as it is', () => {
    expect(active().after(DAY).apply({ type: 'counters-reset' }).actions).toEqual([]);
  });
});

test('rejected content is stored as the last error, and changes nothing else', () => {
  const life = active();
  life.apply({ type: 'content-rejected', failure: failure('unsigned') });
  expect(life.record.lastError?.cause).toBe('unsigned');
  expect(stateOf(life.record)).toBe('active');
  expect(life.grant.topic).toBe(TOPIC);
});

describe('a start under another public URL', () => {
  const moved = (life: Life): Life => {
    life.callbackOf = (path) => `https://elsewhere.example/websub/${path}`;
    return started(life, 1_000);
  };

  test('L6 requests the current callback, keeps the working grant meanwhile, and leaves the old callback afterwards', () => {
    const life = active();
    const [before] = life.record.grants;
    moved(life);
    expect(life.actions).toEqual(['warn', 'discover']);
    expect(life.record.grants).toEqual([before]);
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.callback).toMatch(/^https:\/\/elsewhere\.example\//);
    expect(life.requested().verified().actions).toEqual(['hook verified', 'unsubscribe']);
    expect(life.record.grants).toMatchObject([
      { callback: before?.callback, topic: TOPIC, hub: HUB, state: 'unsubscribing', superseded: true },
      { state: 'active' },
    ]);
  });

  test('L6 expects no grant under a fixed callback before the hub has verified it', () => {
    const life = active();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, path: 'news' })) };
    moved(life);
    expect(life.actions).toEqual(['warn', 'discover']);
    expect(stateOf(life.record)).toBe('expired');
    expect(life.discovered().actions).toEqual(['subscribe']);
    expect(life.grant.callback).toBe('https://elsewhere.example/websub/news');
    expect(life.requested().verified().grant.state).toBe('active');
  });

  test('L6 lets an unsubscribe that only the shutdown wanted continue', () => {
    const life = moved(active().unwanted('shutdown').requested());
    expect(life.actions).toEqual(['warn', 'discover']);
    expect(life.discovered().actions).toEqual(['subscribe']);
    life.requested().verified();
    expect(life.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
  });

  test('L6 rewrites a grant that was not verified yet, and leaves one that is over', () => {
    expect(moved(verifying()).grant).toMatchObject({ state: 'requested', pending: undefined });
    const over = active()
      .after(9 * DAY)
      .denied()
      .due(DAY);
    const [ended] = over.record.grants;
    expect(moved(over.discovered()).record.grants[0]).toEqual(ended);
  });
});

describe('S8 with several grants at one hub', () => {
  const requestedGrants = ({ effects }: Life): readonly string[] =>
    effects.flatMap((effect) => (effect.type === 'request' ? effect.grantId : []));

  test('the grant that was planned is requested, and one that is over is not', () => {
    const life = active();
    life.callbackOf = (path) => `https://other.example/${path}`;
    started(life).unwanted('shutdown').discovered();
    const { id } = life.grant;
    life.apply({ type: 'verified', grantId: life.record.grants[0]?.id ?? '', mode: 'unsubscribe' });
    expect(requestedGrants(started(life, 1_000).discovered())).toEqual([id]);
  });

  test('the latest of those that are over is requested again', () => {
    const life = active().unwanted('shutdown');
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    const earlier = { ...life.grant, id: 'earlier', path: 'earlier', callback: life.callbackOf('earlier') };
    const { id } = life.grant;
    life.record = { ...life.record, grants: [earlier, ...life.record.grants] };
    expect(requestedGrants(started(life).discovered())).toEqual([id]);
  });
});
