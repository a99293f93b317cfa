import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, TOPIC, verifying } from './life.js';

/** Does what is due, and lets requests leave that nothing comes of, until a grant is asked for. */
function untilAsked(life: Life, grantId: string): number {
  const begun = life.now;
  for (let steps = 0; steps < 1_000; steps += 1) {
    life.due(dueIn(life));
    if (life.asked.includes('discover')) life.discovered(HUB);
    for (const effect of life.effects) {
      if (effect.type !== 'request' || effect.mode !== 'subscribe') continue;
      if (effect.grantId === grantId) return life.now - begun;
      life.requested({ grantId: effect.grantId }).accepted({ grantId: effect.grantId });
    }
  }
  throw new Error('it was never asked for');
}

describe('a successor that its hub takes, and never verifies', () => {
  test('does not keep the grant that works from being renewed', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' });
    life.requested().accepted();
    expect(untilAsked(life, id)).toBeLessThan(9 * DAY);
  });
});

describe('a verification that comes when no secret is accepted any more', () => {
  test('has the hub asked in a minute: all its content is refused until then', () => {
    const life = verifying().accepted();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.due(60_000);
    expect(life.record.stoppedBecause).toBe('gave-up');
    life.after(2 * DAY).verifiedInPost();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual([]);
    expect(dueIn(life)).toBe(60_000);
    expect(life.due(60_000).asked).toEqual(['discover']);
    life.discovered().requested();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['a secret']);
  });
});

describe('a renewal that was given up', () => {
  test('V4 is not asked for at once because somebody verifies', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable(120);
    expect(life.record.stoppedBecause).toBe('gave-up');
    life.after(1_000).verifiedInPost('1');
    expect(life.record.stoppedBecause).toBeUndefined();
    expect(dueIn(life)).toBe(119_000);
  });
});

describe('a callback that is another one now', () => {
  test('L6 is asked for at once, whatever the hub said of the one before', () => {
    const life = verifying().refused();
    life
      .due(60_000 * 2)
      .discovered()
      .requested()
      .refused();
    expect(dueIn(life)).toBeGreaterThan(400_000);
    life.callbackOf = (path) => `https://moved.example/${path}`;
    expect(life.apply({ type: 'wanted' }).asked).toContain('discover');
    expect(life.discovered().asked).toContain('subscribe');
  });
});

describe('a topic that has moved, and is denied where it is now', () => {
  test('D10 is renewed where it was, with several hubs too', () => {
    const life = new Life();
    life.rules = { ...life.rules, hubs: 'all' };
    life.apply({ type: 'wanted' }).discovered(HUB).requested().accepted().verified();
    const [before] = life.record.grants;
    life
      .after(6 * DAY)
      .discoveredAs(`${TOPIC}/moved`, HUB)
      .requested()
      .accepted()
      .denied();
    life.due(60_000);
    life.due(2 * DAY - 60_000);
    expect(life.asked).toContain('discover');
    life.discoveredAs(`${TOPIC}/moved`, HUB);
    expect(life.effects).toContainEqual({ type: 'request', grantId: before?.id, mode: 'subscribe' });
  });
});

describe('a denial that comes late', () => {
  test('N2 holds back a renewal that is being discovered for', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted();
    life.due(60_000);
    life.due(dueIn(life));
    expect(life.asked).toEqual(['discover']);
    life.denied();
    expect(life.discovered().asked).toEqual([]);
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
  });

  test('leaves a hub to be asked where what works has moved', () => {
    const life = active();
    life.after(DAY).discoveredAs(`${TOPIC}/moved`, HUB).requested().accepted();
    life.due(60_000).denied();
    expect(dueIn(life)).toBeLessThanOrEqual(120_000);
    expect(life.record.grants).toHaveLength(2);
    expect(life.record.hubs).not.toContain(SECOND_HUB);
  });
});

describe('N3 hub errors, which anyone may send who knows the callback', () => {
  test('do not count towards maxAttempts, also where real failures follow', () => {
    const life = active();
    life.rules = { ...life.rules, maxAttempts: 2 };
    for (let time = 0; time < 3; time += 1) {
      life.after(1_000).hubError();
      life.due(dueIn(life)).discovered().requested().accepted().verified();
    }
    expect(life.record.attempts).toBe(3);
    life.apply({ type: 'renewal-wanted' }).discovered().requested().unreachable();
    expect(life.record).toMatchObject({ attempts: 4, stoppedBecause: undefined });
    life.due(dueIn(life)).discovered().requested().unreachable();
    expect(life.record).toMatchObject({ attempts: 5, stoppedBecause: 'gave-up' });
  });
});

describe('N2 the wait after a refused move to another callback', () => {
  test('does not shorten a longer wait of the grant that works', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested();
    const until = life.now + 7_200_000;
    const grants = life.record.grants.map((one) => (one.id === id ? { ...one, refusals: 4, notBefore: until } : one));
    life.record = { ...life.record, grants };
    life.refused();
    expect(life.record.grants).toHaveLength(1);
    expect(life.grant).toMatchObject({ id, refusals: 5, notBefore: until });
  });

  test('is kept through an unasked denial', () => {
    const life = active().apply({ type: 'rotation-wanted', what: 'callback' }).requested().refused();
    const { notBefore = 0 } = life.grant;
    expect(notBefore).toBeGreaterThan(life.now);
    expect(life.denied().grant.freshCallbackAt).toBeGreaterThanOrEqual(notBefore);
  });
});

describe('N1 an unasked denial of a grant that is to take the place of another', () => {
  test('does not have the other one renewed at once, however overdue it is', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', what: 'callback' }).requested().verifiedInPost();
    const second = life.grant.id;
    life.due(60_000);
    life.now = life.record.grants.find((grant) => grant.id === id)?.renewsAt ?? 0;
    life.denied(second);
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
  });
});

describe('what the user asks for, where a hub has refused', () => {
  test.each([
    ['renew', { type: 'renewal-wanted' }],
    ['rotateSecret', { type: 'rotation-wanted', what: 'secret' }],
  ] as const)('%s asks at once, and the next wait is longer', (_what, event) => {
    const life = active();
    life.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
    expect(life.apply(event).discovered().asked).toEqual(['subscribe']);
    life.requested();
    expect(life.grant.pending).toBeDefined();
    life.refused();
    expect(dueIn(life)).toBeGreaterThanOrEqual(450_000);
  });

  test('rotateCallback asks at once', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(life.apply({ type: 'rotation-wanted', what: 'callback' }).asked).toEqual(['subscribe']);
    expect(life.requested().grant.pending).toBeDefined();
  });

  test('retry asks at once also while a renewal is open that was denied', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().accepted().denied();
    life.apply({ type: 'retried' });
    expect(life.discovered().asked).toContain('subscribe');
  });
});

describe('V7 a subscription that its handler refused', () => {
  test("stays so, whatever denials come after it with afterDenial: 'stop'", () => {
    const life = verifying().accepted();
    life.rules = { ...life.rules, afterDenial: 'stop' };
    life.due(60_000).apply({
      type: 'handler-refused',
      grantId: life.grant.id,
      mode: 'subscribe',
      failure: { cause: 'handler-refused', code: 'ERR_WEBSUB', message: 'no', at: life.now },
    });
    expect(life.record.stoppedBecause).toBe('handler-refused');
    expect(life.after(1_000).denied().record.stoppedBecause).toBe('handler-refused');
  });
});
