import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, Life, SECOND_HUB, TOPIC, verifying } from './life.js';

/**
 * Does all due work, and sends requests that are never verified, until a grant is requested. Returns the time this
 * took.
 */
function timeUntilRequest(life: Life, grantId: string): number {
  const startedAt = life.now;
  for (let steps = 0; steps < 1_000; steps += 1) {
    life.due(dueIn(life));
    if (life.actions.includes('discover')) life.discovered(HUB);
    for (const effect of life.effects) {
      if (effect.type !== 'request' || effect.mode !== 'subscribe') continue;
      if (effect.grantId === grantId) return life.now - startedAt;
      life.requested({ grantId: effect.grantId }).accepted({ grantId: effect.grantId });
    }
  }
  throw new Error('it was never asked for');
}

describe('a successor that its hub accepts and never verifies', () => {
  test('does not keep the working grant from being renewed', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' });
    life.requested().accepted();
    expect(timeUntilRequest(life, id)).toBeLessThan(9 * DAY);
  });
});

describe('a verification after all secrets have lapsed', () => {
  test('leads to a request in a minute, because all content is rejected until then', () => {
    const life = verifying().accepted();
    life.rules = { ...life.rules, maxAttempts: 1 };
    life.due(60_000);
    expect(life.record.stoppedBecause).toBe('gave-up');
    life.after(2 * DAY).verifiedInPost();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual([]);
    expect(dueIn(life)).toBe(60_000);
    expect(life.due(60_000).actions).toEqual(['discover']);
    life.discovered().requested();
    expect(acceptedSecrets(life.grant.secrets, life.now).values).toEqual(['a secret']);
  });
});

describe('a renewal that was given up', () => {
  test('V4 is not requested at once because of a verification', () => {
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

describe('a changed callback', () => {
  test('L6 is requested at once, whatever the hub answered for the previous one', () => {
    const life = verifying().refused();
    life
      .due(60_000 * 2)
      .discovered()
      .requested()
      .refused();
    expect(dueIn(life)).toBeGreaterThan(400_000);
    life.callbackOf = (path) => `https://moved.example/${path}`;
    expect(life.apply({ type: 'wanted' }).actions).toContain('discover');
    expect(life.discovered().actions).toContain('subscribe');
  });
});

describe('a topic that has moved, and is denied at its new place', () => {
  test("D10 is renewed at its old place, even with hubs: 'all'", () => {
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
    expect(life.actions).toContain('discover');
    life.discoveredAs(`${TOPIC}/moved`, HUB);
    expect(life.effects).toContainEqual({ type: 'request', grantId: before?.id, mode: 'subscribe' });
  });
});

describe('a late denial', () => {
  test('N2 postpones a renewal that waits for discovery', () => {
    const life = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted();
    life.due(60_000);
    life.due(dueIn(life));
    expect(life.actions).toEqual(['discover']);
    life.denied();
    expect(life.discovered().actions).toEqual([]);
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
  });

  test('leaves a request planned if the working grant has moved', () => {
    const life = active();
    life.after(DAY).discoveredAs(`${TOPIC}/moved`, HUB).requested().accepted();
    life.due(60_000).denied();
    expect(dueIn(life)).toBeLessThanOrEqual(120_000);
    expect(life.record.grants).toHaveLength(2);
    expect(life.record.hubs).not.toContain(SECOND_HUB);
  });
});

describe('N3 hub errors, which anyone who knows the callback may send', () => {
  test('do not count towards maxAttempts, even if real failures follow', () => {
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
  test('does not shorten a longer wait of the working grant', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested();
    const until = life.now + 7_200_000;
    const grants = life.record.grants.map((one) => (one.id === id ? { ...one, refusals: 4, notBefore: until } : one));
    life.record = { ...life.record, grants };
    life.refused();
    expect(life.record.grants).toHaveLength(1);
    expect(life.grant).toMatchObject({ id, refusals: 5, notBefore: until });
  });

  test('is kept through an unsolicited denial', () => {
    const life = active().apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().refused();
    const { notBefore = 0 } = life.grant;
    expect(notBefore).toBeGreaterThan(life.now);
    expect(life.denied().grant.freshCallbackAt).toBeGreaterThanOrEqual(notBefore);
  });
});

describe('N1 an unsolicited denial of a grant that replaces another one', () => {
  test('does not renew the other one at once, however overdue it is', () => {
    const life = active();
    const { id } = life.grant;
    life.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().verifiedInPost();
    const second = life.grant.id;
    life.due(60_000);
    life.now = life.record.grants.find((grant) => grant.id === id)?.renewsAt ?? 0;
    life.denied(second);
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
  });
});

describe('a user call after a hub has refused', () => {
  test.each([
    ['renew', { type: 'renewal-wanted' }],
    ['rotateSecret', { type: 'rotation-wanted', rotate: 'secret' }],
  ] as const)('%s sends a request at once, and the next wait is longer', (_name, event) => {
    const life = active();
    life.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(dueIn(life)).toBeGreaterThanOrEqual(60_000);
    expect(life.apply(event).discovered().actions).toEqual(['subscribe']);
    life.requested();
    expect(life.grant.pending).toBeDefined();
    life.refused();
    expect(dueIn(life)).toBeGreaterThanOrEqual(450_000);
  });

  test('rotateCallback sends a request at once', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(life.apply({ type: 'rotation-wanted', rotate: 'callback' }).actions).toEqual(['subscribe']);
    expect(life.requested().grant.pending).toBeDefined();
  });

  test('retry sends a request at once, even while a denied renewal is open', () => {
    const life = active().apply({ type: 'renewal-wanted' }).discovered().requested().accepted().denied();
    life.apply({ type: 'retried' });
    expect(life.discovered().actions).toContain('subscribe');
  });
});

describe('V7 a subscription that its handler refused', () => {
  test("stays stopped for that reason, whatever denials follow with afterDenial: 'stop'", () => {
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
