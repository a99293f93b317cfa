import { describe, expect, test } from 'vitest';
import { acceptedSecrets } from '../../../src/subscription/machine/rules/secrets.js';
import { active, DAY, dueIn, HUB, SubscriptionMachine, TOPIC, verifying } from './subscription-machine.js';

/**
 * Does all due work, and sends requests that are never verified, until the grant is requested. Returns the time this
 * took.
 */
function timeUntilRequest(machine: SubscriptionMachine, grantId: string): number {
  const startedAt = machine.now;
  for (let steps = 0; steps < 1_000; steps += 1) {
    machine.due(dueIn(machine));
    if (machine.actions.includes('discover')) machine.discovered(HUB);
    for (const effect of machine.effects) {
      if (effect.type !== 'request' || effect.mode !== 'subscribe') continue;
      if (effect.grantId === grantId) return machine.now - startedAt;
      machine.requested({ grantId: effect.grantId }).accepted({ grantId: effect.grantId });
    }
  }
  throw new Error('the grant was never requested');
}

describe('a successor that its hub accepts and never verifies', () => {
  test('does not keep the working grant from being renewed', () => {
    const machine = active();
    const { id } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' });
    machine.requested().accepted();
    expect(timeUntilRequest(machine, id)).toBeLessThan(9 * DAY);
  });
});

describe('a verification after all secrets have lapsed', () => {
  test('leads to a request in a minute, because all content is rejected until then', () => {
    const machine = verifying().accepted();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine.due(60_000);
    expect(machine.record.stoppedBecause).toBe('gave-up');
    machine.after(2 * DAY).verifiedInPost();
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual([]);
    expect(dueIn(machine)).toBe(60_000);
    expect(machine.due(60_000).actions).toEqual(['discover']);
    machine.discovered().requested();
    expect(acceptedSecrets(machine.grant.secrets, machine.now).values).toEqual(['a secret']);
  });
});

describe('a renewal that was given up', () => {
  test('V4 is not requested at once because of a verification', () => {
    const machine = active();
    machine.rules = { ...machine.rules, maxAttempts: 1 };
    machine
      .due(8 * DAY)
      .discovered()
      .requested()
      .unreachable(120);
    expect(machine.record.stoppedBecause).toBe('gave-up');
    machine.after(1_000).verifiedInPost('1');
    expect(machine.record.stoppedBecause).toBeUndefined();
    expect(dueIn(machine)).toBe(119_000);
  });
});

describe('a changed callback', () => {
  test('L6 is requested at once, whatever the hub answered for the previous callback', () => {
    const machine = verifying().refused();
    machine
      .due(60_000 * 2)
      .discovered()
      .requested()
      .refused();
    expect(dueIn(machine)).toBeGreaterThan(400_000);
    machine.callbackOf = (path) => `https://moved.example/${path}`;
    expect(machine.apply({ type: 'wanted' }).actions).toContain('discover');
    expect(machine.discovered().actions).toContain('subscribe');
  });
});

describe('a topic that has moved, and is denied at its new place', () => {
  test("D10 is renewed at its old place, even with hubs: 'all'", () => {
    const machine = new SubscriptionMachine();
    machine.rules = { ...machine.rules, hubs: 'all' };
    machine.apply({ type: 'wanted' }).discovered(HUB).requested().accepted().verified();
    const [oldGrant] = machine.record.grants;
    machine
      .after(6 * DAY)
      .apply({ type: 'links-differ' })
      .discoveredAs(`${TOPIC}/moved`, HUB)
      .requested()
      .accepted()
      .denied();
    machine.due(60_000);
    machine.due(2 * DAY - 60_000);
    expect(machine.actions).toContain('discover');
    machine.discoveredAs(`${TOPIC}/moved`, HUB);
    expect(machine.effects).toContainEqual({ type: 'request', grantId: oldGrant?.id, mode: 'subscribe' });
  });
});

describe('a late denial', () => {
  test('N2 postpones a renewal that waits for discovery', () => {
    const machine = active()
      .due(8 * DAY)
      .discovered()
      .requested()
      .accepted();
    machine.due(60_000);
    machine.due(dueIn(machine));
    expect(machine.actions).toEqual(['discover']);
    machine.denied();
    expect(machine.discovered().actions).toEqual([]);
    expect(dueIn(machine)).toBeGreaterThanOrEqual(60_000);
  });

  test('leaves a request planned if the working grant has moved', () => {
    const machine = active();
    machine.after(DAY).apply({ type: 'links-differ' });
    machine.discoveredAs(`${TOPIC}/moved`, HUB).requested().accepted();
    machine.due(60_000).denied();
    expect(dueIn(machine)).toBeLessThanOrEqual(120_000);
    expect(machine.record.grants).toHaveLength(2);
  });
});

describe('N3 hub errors, which anyone who knows the callback may send', () => {
  test('do not count towards maxAttempts, even if real failures follow', () => {
    const machine = active();
    machine.rules = { ...machine.rules, maxAttempts: 2 };
    for (let count = 0; count < 3; count += 1) {
      machine.after(1_000).hubError();
      machine.due(dueIn(machine)).discovered().requested().accepted().verified();
    }
    expect(machine.record.attempts).toBe(3);
    machine.apply({ type: 'renewal-wanted' }).discovered().requested().unreachable();
    expect(machine.record).toMatchObject({ attempts: 4, stoppedBecause: undefined });
    machine.due(dueIn(machine)).discovered().requested().unreachable();
    expect(machine.record).toMatchObject({ attempts: 5, stoppedBecause: 'gave-up' });
  });
});

describe('N2 the wait after a refused move to another callback', () => {
  test('does not shorten a longer wait of the working grant', () => {
    const machine = active();
    const { id } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested();
    const until = machine.now + 7_200_000;
    const grants = machine.record.grants.map((grant) =>
      grant.id === id ? { ...grant, refusals: 4, notBefore: until } : grant,
    );
    machine.record = { ...machine.record, grants };
    machine.refused();
    expect(machine.record.grants).toHaveLength(1);
    expect(machine.grant).toMatchObject({ id, refusals: 5, notBefore: until });
  });

  test('is kept through an unsolicited denial', () => {
    const machine = active().apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().refused();
    const { notBefore = 0 } = machine.grant;
    expect(notBefore).toBeGreaterThan(machine.now);
    expect(machine.denied().grant.freshCallbackAt).toBeGreaterThanOrEqual(notBefore);
  });
});

describe('N1 an unsolicited denial of a grant that replaces another grant', () => {
  test('does not lead to a renewal of the other grant at once, even if that renewal is overdue', () => {
    const machine = active();
    const { id } = machine.grant;
    machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).requested().verifiedInPost();
    const successorId = machine.grant.id;
    machine.due(60_000);
    machine.now = machine.record.grants.find((grant) => grant.id === id)?.renewsAt ?? 0;
    machine.denied(successorId);
    expect(dueIn(machine)).toBeGreaterThanOrEqual(60_000);
  });
});

describe('a user call after a hub has refused', () => {
  test.each([
    ['renew', { type: 'renewal-wanted' }],
    ['rotateSecret', { type: 'rotation-wanted', rotate: 'secret' }],
  ] as const)('%s sends a request at once, and the next wait is longer', (_name, input) => {
    const machine = active();
    machine.apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(dueIn(machine)).toBeGreaterThanOrEqual(60_000);
    expect(machine.apply(input).discovered().actions).toEqual(['subscribe']);
    machine.requested();
    expect(machine.grant.pending).toBeDefined();
    machine.refused();
    expect(dueIn(machine)).toBeGreaterThanOrEqual(450_000);
  });

  test('rotateCallback sends a request at once', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
    expect(machine.apply({ type: 'rotation-wanted', rotate: 'callback' }).actions).toEqual(['subscribe']);
    expect(machine.requested().grant.pending).toBeDefined();
  });

  test('retry sends a request at once, even while a denied renewal is open', () => {
    const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().accepted().denied();
    machine.apply({ type: 'retried' });
    expect(machine.discovered().actions).toContain('subscribe');
  });
});

describe('V7 a subscription that its handler refused', () => {
  test("stays stopped for that reason, even if a denial follows with afterDenial: 'stop'", () => {
    const machine = verifying().accepted();
    machine.rules = { ...machine.rules, afterDenial: 'stop' };
    machine.due(60_000).apply({
      type: 'handler-refused',
      grantId: machine.grant.id,
      mode: 'subscribe',
      failure: { cause: 'handler-refused', code: 'ERR_WEBSUB', message: 'no', at: machine.now },
    });
    expect(machine.record.stoppedBecause).toBe('handler-refused');
    expect(machine.after(1_000).denied().record.stoppedBecause).toBe('handler-refused');
  });
});
