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

describe('a start finds', () => {
  test('L4 what is leased, and leaves it alone', () => {
    const life = active();
    const before = life.record;
    expect(started(life, DAY).record).toBe(before);
    expect(life.asked).toEqual([]);
  });

  test('L4 a verification whose answer may not have left, and asks again', () => {
    const life = verifying().accepted();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'subscribe', leaseSeconds: '864000' });
    expect(started(life, 1_000).asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.state).toBe('active');
  });

  test('L4 renewals that came due meanwhile, and spreads them', () => {
    const spread = [0, 0.5, 0.999].map((random) => {
      const life = active();
      life.after(9 * DAY).random = random;
      started(life);
      return (dueAt(life.record) ?? 0) - life.now;
    });
    expect(spread[1]).toBe(15_000);
    expect(spread[2]).toBeLessThan(30_000);
  });

  test('L4 a renewal that came due meanwhile, early enough for its lease', () => {
    const life = active('10');
    life.random = 0.999;
    started(life, 6_000);
    expect((dueAt(life.record) ?? 0) - life.now).toBeLessThan(1_000);
    expect(life.due(1_000).asked).toEqual(['discover']);
  });

  test('L3 a lease that ran out meanwhile, and subscribes again at once', () => {
    const life = started(active(), 11 * DAY);
    expect(life.asked).toEqual(['tell expired', 'discover']);
    expect(stateOf(life.record)).toBe('expired');
  });

  test('a discovery that was cut off, and begins again', () => {
    expect(started(new Life().apply({ type: 'wanted' }), 2_000).asked).toEqual(['discover']);
  });

  test('a grant whose request did not get as far as being stored, and asks for it', () => {
    const life = new Life().apply({ type: 'wanted' }).discovered();
    expect(started(life, 2_000).asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
  });

  test('S2 a request without an answer, and sends it again; it may not have left', () => {
    const life = started(verifying(), 2_000);
    expect(life.asked).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).grant.pending).toMatchObject({ id: 'r2', deadline: life.now + 60_000 });
  });

  test('a request that was accepted, and waits for its verification', () => {
    const life = started(verifying().accepted(), 2_000);
    expect(life.asked).toEqual([]);
    expect(life.due(60_000).asked).toEqual(['tell failed']);
  });

  test('a request whose time ran out meanwhile, and counts it', () => {
    const life = started(verifying().accepted(), DAY);
    expect(life.asked).toEqual(['tell failed']);
    expect(dueAt(life.record)).toBe(life.now + 1_000);
  });

  test('L2 a wait after a failure, and goes on waiting', () => {
    const life = verifying().unreachable(3_600);
    const again = dueAt(life.record);
    expect(started(life, 60_000).asked).toEqual([]);
    expect(dueAt(life.record)).toBe(again);
  });

  test('L2 a wait that is over, and asks', () => {
    expect(started(verifying().unreachable(), DAY).asked).toEqual(['subscribe']);
  });

  test('S6 an unsubscription that was cut off by the stop, and subscribes again under the same callback', () => {
    const life = active();
    const { id, callback } = life.grant;
    started(life.unwanted('shutdown').requested(), 2_000);
    expect(life.asked).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ id, callback, state: 'active', pending: undefined });
    expect(life.requested({ requestId: 'r2' }).verified().asked).toEqual(['tell renewed']);
  });

  test('an unsubscription that was cut off by the stop, its lease over, and begins again', () => {
    const life = started(active().unwanted('shutdown').requested(), 11 * DAY);
    expect(life.asked).toEqual(['discover']);
    expect(stateOf(life.record)).toBe('expired');
  });

  test('what was unsubscribed by the stop, and subscribes again under the same callback', () => {
    const life = active();
    const { callback } = life.grant;
    life.unwanted('shutdown').requested();
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    expect(stateOf(life.record)).toBe('unsubscribed');
    expect(started(life, DAY).asked).toEqual(['discover']);
    expect(stateOf(life.record)).toBe('requested');
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant).toMatchObject({ callback, endedAt: undefined });
  });

  test.each(['unsubscribed', 'deleted'] as const)('what was %s, and leaves it so', (why) => {
    expect(started(active().unwanted(why).requested(), 2_000).asked).toEqual([]);
    expect(started(verifying().unwanted(why), 2_000).asked).toEqual([]);
  });
});

describe('what is not wanted any more', () => {
  test.each(['unsubscribed', 'deleted'] as const)(
    'is asked to end where it is held, and told once it has: %s',
    (why) => {
      const life = active().unwanted(why);
      expect(life.asked).toEqual(['unsubscribe']);
      life.requested().apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
      expect(life.asked).toEqual(['tell unsubscribed']);
      expect(life.record).toMatchObject({ desired: 'unsubscribed', stoppedBecause: why });
      expect(dueAt(life.record)).toBeUndefined();
    },
  );

  test('ends by itself where nothing is held, and is told at once, and once', () => {
    const life = verifying().unwanted('unsubscribed');
    expect(life.effects).toEqual([{ type: 'hook', name: 'unsubscribed', grantId: life.grant.id }]);
    expect(life.grant).toMatchObject({ state: 'unsubscribed', pending: undefined, endedAt: life.now });
    expect(life.unwanted('unsubscribed').asked).toEqual([]);
    expect(new Life().unwanted('unsubscribed').effects).toEqual([{ type: 'hook', name: 'unsubscribed' }]);
  });

  test('may be wanted again, while the hub is asked to end it and after', () => {
    const leaving = active().unwanted('unsubscribed').requested();
    expect(leaving.apply({ type: 'retried' }).asked).toEqual(['subscribe']);
    const left = active().unwanted('unsubscribed').requested();
    left.apply({ type: 'verified', grantId: left.grant.id, mode: 'unsubscribe' });
    expect(left.apply({ type: 'retried' }).asked).toEqual(['discover']);
  });

  test('S8 gets another callback when it is wanted again before a hub ever granted it', () => {
    const life = verifying();
    const { callback } = life.grant;
    life.unwanted('unsubscribed').apply({ type: 'retried' }).discovered();
    expect(life.grant.callback).not.toBe(callback);
    expect(life.record.grants).toHaveLength(2);
  });

  test('S6 is asked to end once more at a shutdown, where its hub would not before', () => {
    const life = active().unwanted('unsubscribed').requested().unreachable();
    expect(life.asked).toEqual(['tell failed']);
    expect(life.unwanted('shutdown').asked).toEqual(['unsubscribe']);
    expect(life.grant.attempts).toBe(0);
    expect(life.requested().unwanted('shutdown').asked).toEqual([]);
  });

  test('at a shutdown is so only until the next start', () => {
    const life = active().unwanted('shutdown');
    expect(life.asked).toEqual(['unsubscribe']);
    expect(life.record).toMatchObject({ desired: 'subscribed', stoppedBecause: undefined });
    expect(verifying().unwanted('shutdown').grant.state).toBe('verifying');
  });

  test('counts the failures of its unsubscription from nothing', () => {
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
  test('L1 renews at once what waits after a renewal that failed', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(life.after(1_000).apply({ type: 'retried' }).asked).toEqual(['discover']);
  });

  test.each(['retried', 'counters-reset'] as const)('%s takes up a renewal that was wanted and failed', (type) => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' }).discovered().requested({ requestId: 'r1' });
    expect(life.unreachable(3_600).apply({ type }).asked).toEqual(['discover']);
  });

  test('S3 does not wait for a Retry-After', () => {
    const life = verifying().unreachable(3_600).apply({ type: 'retried' });
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
  });

  test('lets a renewal go on that has begun: its hub is to know what is asked of it otherwise', () => {
    const life = active().apply({ type: 'retried', overrides: { secret: 'another' } });
    expect(life.asked).toEqual(['discover']);
    life.apply({ type: 'retried' });
    expect(life.discovered().asked).toEqual(['subscribe']);
  });

  test('leaves alone what is being asked', () => {
    expect(verifying().apply({ type: 'retried' }).asked).toEqual([]);
  });

  test('takes other terms where they are given, and keeps those it has', () => {
    const life = verifying().apply({ type: 'retried', overrides: { leaseSeconds: 60 } });
    expect(life.record.overrides).toEqual({ leaseSeconds: 60 });
    expect(life.apply({ type: 'retried' }).record.overrides).toEqual({ leaseSeconds: 60 });
  });

  test.each([
    { leaseSeconds: 60 },
    { secret: 'another' },
    { secret: false as const },
    { customParams: { tenant: 'a' } },
  ])('with other terms for what is held tells the hub at once: %j', (overrides) => {
    const life = active().after(DAY).apply({ type: 'retried', overrides });
    expect(life.asked).toEqual(['discover']);
    expect(life.grant.state).toBe('active');
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides }).asked).toEqual([]);
  });

  test('with other terms replaces those that are given, and keeps the others', () => {
    const life = active().apply({ type: 'retried', overrides: { leaseSeconds: 60, customParams: { a: '1', b: '2' } } });
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides: { customParams: { c: '3' } } }).asked).toEqual(['discover']);
    expect(life.record.overrides).toEqual({ leaseSeconds: 60, customParams: { c: '3' } });
  });

  test('with the same parameters in another order asks nothing', () => {
    const life = active().apply({ type: 'retried', overrides: { customParams: { a: '1', b: '2' } } });
    life.discovered().requested({ requestId: 'r2' }).verified();
    expect(life.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1' } } }).asked).toEqual([]);
    expect(life.apply({ type: 'retried', overrides: { customParams: { b: '2', a: '1', c: '3' } } }).asked).toEqual([
      'discover',
    ]);
  });

  test('with other terms while a request is in flight renews once that is verified, and only once', () => {
    const life = verifying().apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
    expect(life.asked).toEqual([]);
    life.accepted().verified();
    expect(dueAt(life.record)).toBe(life.now);
    expect(life.due().asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
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
  ])('with other terms renews once %s is verified late, as that asked for the terms before', (_what, life) => {
    life.due(dueIn(life)).apply({ type: 'retried', overrides: { customParams: { a: '1' } } });
    life.verified().discovered();
    expect(life.asked).toEqual([]);
    expect(dueAt(life.record)).toBe(life.now);
  });

  test('with another secret while a request is in flight renews also where that is made once more in another form', () => {
    const life = verifying().apply({ type: 'retried', overrides: { secret: 'another' } });
    life.requested({ requestId: 'r2', insteadOf: 'r1' }).verified();
    expect(dueAt(life.record)).toBe(life.now);
    life.due().discovered().requested({ requestId: 'r3' }).verified();
    expect(dueAt(life.record)).toBeGreaterThan(life.now + DAY);
  });

  test('with other terms for what is renewed at the same time asks once', () => {
    const life = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .unreachable(3_600);
    expect(life.apply({ type: 'retried', overrides: { leaseSeconds: 60 } }).asked).toEqual(['discover']);
  });
});

describe('a renewal that is wanted', () => {
  test('D10 begins at once, with discovery', () => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.requested({ requestId: 'r2' }).verified().asked).toEqual(['tell renewed']);
  });

  test('is not begun twice, nor for what is not held', () => {
    const life = active().after(DAY).apply({ type: 'renewal-wanted' });
    expect(life.apply({ type: 'renewal-wanted' }).asked).toEqual([]);
    expect(life.discovered().requested().apply({ type: 'renewal-wanted' }).asked).toEqual([]);
    for (const other of [verifying(), active().denied(), active().unwanted('unsubscribed')]) {
      const { record } = other;
      expect(other.apply({ type: 'renewal-wanted' }).record).toBe(record);
    }
  });
});

describe('a reset of the counters', () => {
  test('forgets what went wrong, by cause, and tries at once what waits because of it', () => {
    const life = verifying().unreachable(3_600);
    expect(life.record.failures).toMatchObject({ unreachable: { count: 1 } });
    life.apply({ type: 'counters-reset' });
    expect(life.record).toMatchObject({ attempts: 0, failures: undefined, grants: [{ attempts: 0 }] });
    expect(life.asked).toEqual(['discover']);
  });

  test('S6 has a hub asked again at once to end what is not wanted', () => {
    const life = active().unwanted('unsubscribed').requested().refused();
    expect(life.apply({ type: 'counters-reset' }).grant.attempts).toBe(0);
    expect(life.due().asked).toEqual(['unsubscribe']);
  });

  test('releases what was given up, and nothing that was said', () => {
    const gaveUp = verifying();
    gaveUp.rules = { ...gaveUp.rules, maxAttempts: 1 };
    expect(gaveUp.unreachable().record.stoppedBecause).toBe('gave-up');
    expect(gaveUp.apply({ type: 'counters-reset' }).record.stoppedBecause).toBeUndefined();
    expect(gaveUp.asked).toEqual(['discover']);
    const refused = handlerRefused(verifying());
    expect(refused.apply({ type: 'counters-reset' }).record.stoppedBecause).toBe('handler-refused');
    expect(refused.asked).toEqual([]);
  });

  test.each(['denied', 'refused'] as const)('N2 does not have a hub asked sooner that has %s', (how) => {
    const life = verifying().accepted()[how]();
    const at = life.grant.notBefore ?? life.record.nextAttemptAt ?? 0;
    life.after(1_000).apply({ type: 'counters-reset' });
    expect(life.asked).toEqual(['discover']);
    expect(life.discovered().asked).toEqual([]);
    expect(life.record.nextAttemptAt).toBe(at);
    const renewal = active()
      .due(9 * DAY)
      .discovered()
      .requested()
      .accepted();
    renewal[how]();
    const next = dueAt(renewal.record);
    expect(dueAt(renewal.apply({ type: 'counters-reset' }).record)).toBe(next);
    expect(renewal.asked).toEqual([]);
  });

  test('leaves what works and is not due as it is', () => {
    expect(active().after(DAY).apply({ type: 'counters-reset' }).asked).toEqual([]);
  });
});

test('what could not be trusted is noted, and changes nothing else', () => {
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

  test('L6 asks with the present callback, leaves what works as it is meanwhile, and the old callback afterwards', () => {
    const life = active();
    const [before] = life.record.grants;
    moved(life);
    expect(life.asked).toEqual(['warn', 'discover']);
    expect(life.record.grants).toEqual([before]);
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.callback).toMatch(/^https:\/\/elsewhere\.example\//);
    expect(life.requested().verified().asked).toEqual(['tell verified', 'unsubscribe']);
    expect(life.record.grants).toMatchObject([
      { callback: before?.callback, topic: TOPIC, hub: HUB, state: 'unsubscribing', superseded: true },
      { state: 'active' },
    ]);
  });

  test('L6 where the callback is fixed, claims no grant before the hub has verified it', () => {
    const life = active();
    life.record = { ...life.record, grants: life.record.grants.map((grant) => ({ ...grant, path: 'news' })) };
    moved(life);
    expect(life.asked).toEqual(['warn', 'discover']);
    expect(stateOf(life.record)).toBe('expired');
    expect(life.discovered().asked).toEqual(['subscribe']);
    expect(life.grant.callback).toBe('https://elsewhere.example/websub/news');
    expect(life.requested().verified().grant.state).toBe('active');
  });

  test('L6 finds what was being unsubscribed only for the stop, and leaves that to its end', () => {
    const life = moved(active().unwanted('shutdown').requested());
    expect(life.asked).toEqual(['warn', 'discover']);
    expect(life.discovered().asked).toEqual(['subscribe']);
    life.requested().verified();
    expect(life.record.grants.map(({ state }) => state)).toEqual(['unsubscribing', 'active']);
  });

  test('L6 does so for what was not verified yet, and not for what is over', () => {
    expect(moved(verifying()).grant).toMatchObject({ state: 'requested', pending: undefined });
    const over = active()
      .after(9 * DAY)
      .denied()
      .due(DAY);
    const [ended] = over.record.grants;
    expect(moved(over.discovered()).record.grants[0]).toEqual(ended);
  });
});

describe('S8 of several grants at one hub', () => {
  const asked = ({ effects }: Life): readonly string[] =>
    effects.flatMap((effect) => (effect.type === 'request' ? effect.grantId : []));

  test('the one that was to be asked for is, and one that has ended is not', () => {
    const life = active();
    life.callbackOf = (path) => `https://other.example/${path}`;
    started(life).unwanted('shutdown').discovered();
    const { id } = life.grant;
    life.apply({ type: 'verified', grantId: life.record.grants[0]?.id ?? '', mode: 'unsubscribe' });
    expect(asked(started(life, 1_000).discovered())).toEqual([id]);
  });

  test('of those that have ended the latest is asked for again', () => {
    const life = active().unwanted('shutdown');
    life.apply({ type: 'verified', grantId: life.grant.id, mode: 'unsubscribe' });
    const earlier = { ...life.grant, id: 'earlier', path: 'earlier', callback: life.callbackOf('earlier') };
    const { id } = life.grant;
    life.record = { ...life.record, grants: [earlier, ...life.record.grants] };
    expect(asked(started(life).discovered())).toEqual([id]);
  });
});
