import { describe, expect, test } from 'vitest';
import { active, DAY, verifying, type SubscriptionMachine } from '../subscription-machine.js';

function lost(machine: SubscriptionMachine): SubscriptionMachine {
  const { id: grantId, pending } = machine.grant;
  return machine.apply({ type: 'request-lost', grantId, requestId: pending?.id ?? '' });
}

describe('S2 a request whose sender is gone', () => {
  test('is sent again at once under another id, and counts as no failure', () => {
    const machine = verifying();
    const { pending } = machine.grant;
    expect(lost(machine).actions).toEqual(['subscribe']);
    expect(machine.grant.currentRequest).not.toBe(pending?.id);
    expect(machine.record.attempts).toBe(0);
    expect(machine.record.lastError).toBeUndefined();
    expect(machine.requested().accepted().verified().actions).toEqual(['hook verified']);
  });

  test('is sent again if it is to unsubscribe', () => {
    const machine = lost(active().unwanted('unsubscribed').requested());
    expect(machine.actions).toEqual(['unsubscribe']);
    expect(machine.grant).toMatchObject({ state: 'unsubscribing', attempts: 0 });
  });

  test.each<[string, () => SubscriptionMachine]>([
    ['was accepted', () => verifying().accepted()],
    ['was denied', () => verifying().denied()],
    ['failed', () => verifying().unreachable()],
    [
      'is for a subscription that gave up',
      () => {
        const machine = active()
          .due(9 * DAY)
          .discovered()
          .requested();
        machine.record = { ...machine.record, stoppedBecause: 'gave-up' };
        return machine;
      },
    ],
  ])('is not sent again if it %s', (_name, create) => {
    const machine = create();
    const { record } = machine;
    expect(lost(machine).actions).toEqual([]);
    expect(machine.record).toBe(record);
  });

  test('L4 is found by the next run of the process, and not by the same run', () => {
    expect(verifying().apply({ type: 'wanted' }).actions).toEqual([]);
    expect(verifying().restarted().actions).toEqual(['subscribe']);
    expect(active().unwanted('deleted').requested().restarted().actions).toEqual(['unsubscribe']);
  });
});
