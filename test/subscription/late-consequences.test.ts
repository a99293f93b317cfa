import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../src/subscription/secrets.js';
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
    expect(life.record.hold).toBe('gave-up');
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
    expect(life.record.hold).toBe('gave-up');
    life.after(1_000).verifiedInPost('1');
    expect(life.record.hold).toBeUndefined();
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
