import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import { isVerificationUndone } from '../../../../src/subscription/machine/steps/on-hub-error.js';
import { stateOf } from '../../../../src/subscription/machine/state.js';
import { active, DAY, dueIn, HUB, SECOND_HUB, verifying, type SubscriptionMachine } from '../subscription-machine.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Renews, and verifies again. */
const renew = (machine: SubscriptionMachine, ...hubs: readonly string[]): SubscriptionMachine =>
  machine
    .due(dueIn(machine))
    .discovered(...hubs)
    .requested()
    .accepted()
    .verified();

describe('N3 a hub error after a requested verification', () => {
  test.each([0, 60_000])(
    'counts as a failed attempt %d ms after the verification, and the secrets stay accepted',
    (wait) => {
      const machine = active().after(wait);
      const { secrets, expiresAt } = machine.grant;
      machine.hubError();
      expect(machine.actions).toEqual(['hook failed']);
      expect(machine.grant).toMatchObject({
        state: 'active',
        attempts: 1,
        secrets,
        expiresAt,
        hubErrorAt: machine.now,
      });
      expect(machine.record).toMatchObject({ attempts: 1, lastError: { cause: 'hub-error' } });
      expect(stateOf(machine.record)).toBe('active');
      expect(dueIn(machine)).toBe(1_000);
      expect(machine.due(1_000).actions).toEqual(['discover']);
    },
  );

  test('counts once per verification', () => {
    const machine = active().hubError();
    const { record } = machine;
    expect(isVerificationUndone(machine.grant, machine.now)).toBe(false);
    expect(machine.after(1_000).hubError().record).toBe(record);
    renew(machine).after(1_000).hubError();
    expect(machine.grant.attempts).toBe(2);
  });

  test('leads to longer and longer waits when it repeats', () => {
    const machine = active();
    machine.random = 1;
    const waits = Array.from({ length: 5 }, () => {
      machine.after(1_000).hubError();
      const wait = dueIn(machine);
      renew(machine);
      return wait;
    });
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000]);
  });

  test('is forgotten at a verification an hour after the last hub error, and not before', () => {
    const machine = renew(active().hubError());
    expect(machine.grant.attempts).toBe(1);
    expect(machine.record.attempts).toBe(1);
    machine
      .after(HOUR - 1_001)
      .apply({ type: 'renewal-wanted' })
      .discovered()
      .requested()
      .accepted()
      .verified();
    expect(machine.grant.attempts).toBe(1);
    machine.after(1).apply({ type: 'renewal-wanted' }).discovered().requested().accepted().verified();
    expect(machine.grant.attempts).toBe(0);
    expect(machine.record).toMatchObject({ attempts: 0, lastError: undefined });
  });

  test('D8 that occurs three times leads to a request at the next advertised hub', () => {
    const machine = verifying(HUB, SECOND_HUB).accepted().verified();
    for (let count = 0; count < 3; count += 1) {
      machine.hubError();
      if (count < 2) renew(machine, HUB, SECOND_HUB);
    }
    expect(machine.actions).toEqual(['hook failed', 'subscribe']);
    expect(machine.grant.advertisedHub).toBe(SECOND_HUB);
    expect(machine.grantAt(HUB).state).toBe('active');
  });

  test('leads to a request even if the answer to the verification is stored afterwards', () => {
    const machine = verifying().accepted();
    machine.apply({ type: 'verified', grantId: 'g1', mode: 'subscribe', leaseSeconds: '864000' }).hubError();
    machine.apply({ type: 'answered', grantId: 'g1' });
    expect(dueIn(machine)).toBe(1_000);
  });
});

test('N3 a hub error does not lead to an earlier request at a hub that has refused a renewal since', () => {
  const machine = active().apply({ type: 'renewal-wanted' }).discovered().requested().refused();
  const at = dueAt(machine.record);
  expect(machine.hubError().actions).toEqual(['hook failed']);
  expect(dueAt(machine.record)).toBe(at);
});

describe('N3 a hub error at any other time changes nothing', () => {
  test.each([
    ['more than a minute after the verification', () => active().after(MINUTE + 1)],
    ['after an unsolicited verification', () => active().after(DAY).verified()],
    ['before any verification', () => verifying().accepted()],
    ['while a request is open', () => verifying().verifiedInPost()],
    ['while a renewal is open', () => active().apply({ type: 'renewal-wanted' }).discovered().requested()],
    ['after a denial', () => active().denied()],
    ['while the grant is being unsubscribed', () => active().unwanted('unsubscribed').requested()],
    ['after the clock was set back', () => active().after(-DAY)],
  ])('%s', (_name, create) => {
    const machine = create();
    const { record } = machine;
    const dueTime = dueAt(record);
    expect(machine.hubError().record).toBe(record);
    expect(machine.actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(dueTime);
  });
});
