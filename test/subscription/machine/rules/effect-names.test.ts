import { describe, expect, test } from 'vitest';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import {
  active,
  DAY,
  failure,
  HUB,
  SECOND_HUB,
  SubscriptionMachine,
  TOPIC,
  verifying,
} from '../subscription-machine.js';

const requested = (): SubscriptionMachine => new SubscriptionMachine().apply({ type: 'wanted' }).discovered();

/** Whether an input changes nothing and has no effects. */
function isIgnored(machine: SubscriptionMachine, input: Parameters<SubscriptionMachine['apply']>[0]): boolean {
  const { record } = machine;
  machine.apply(input);
  return machine.record === record && machine.effects.length === 0;
}

describe('a request', () => {
  test('has the id that its grant stores as the current one', () => {
    const machine = requested();
    expect(machine.namedEffects).toEqual([
      { type: 'request', grantId: 'g1', requestId: machine.grant.currentRequest, mode: 'subscribe' },
    ]);
    const { currentRequest: id } = machine.grant;
    expect(machine.requested().grant).toMatchObject({ currentRequest: undefined, pending: { id, member: 'this run' } });
  });

  test('is sent once, even if the effect is carried out twice', () => {
    const machine = requested();
    const requestId = machine.grant.currentRequest ?? '';
    machine.requested();
    expect(
      isIgnored(machine, { type: 'requested', grantId: 'g1', requestId, mode: 'subscribe', secret: 'another' }),
    ).toBe(true);
    machine.accepted().verified();
    expect(
      isIgnored(machine, { type: 'requested', grantId: 'g1', requestId, mode: 'subscribe', secret: 'another' }),
    ).toBe(true);
  });

  test('S3 that waited for its turn is not sent after the hub answered another one with Retry-After', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered();
    const requestId = machine.grant.currentRequest ?? '';
    machine.requested().unreachable(3_600);
    expect(machine.grant.nextAttemptAt).toBe(machine.now + 3_600_000);
    machine.after(1_000);
    expect(isIgnored(machine, { type: 'requested', grantId: 'g1', requestId, mode: 'subscribe', secret: null })).toBe(
      true,
    );
  });

  test('S6 to unsubscribe is not sent after the hub answered another one with Retry-After', () => {
    const machine = active().unwanted('unsubscribed');
    const requestId = machine.grant.currentRequest ?? '';
    machine.requested().unreachable(3_600).after(1_000);
    expect(isIgnored(machine, { type: 'requested', grantId: 'g1', requestId, mode: 'unsubscribe' })).toBe(true);
  });

  test.each<[string, (machine: SubscriptionMachine) => unknown]>([
    ['the subscription is unwanted', (machine) => machine.unwanted('unsubscribed')],
    ['another hub is advertised', (machine) => machine.discoveredAgain(SECOND_HUB)],
    [
      'its hub is rate limited',
      (machine) => machine.apply({ type: 'request-deferred', grantId: 'g1', until: machine.now + 600_000 }),
    ],
  ])('is not sent once %s', (_name, change) => {
    const machine = requested();
    const requestId = machine.grant.currentRequest ?? '';
    change(machine);
    const { record } = machine;
    machine.apply({ type: 'requested', grantId: 'g1', requestId, mode: 'subscribe', secret: null });
    expect(machine.record).toBe(record);
  });

  test('L5 that waits long for its turn keeps its id, and its place in the queue', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered();
    const { currentRequest } = machine.grant;
    for (let minute = 0; minute < 30; minute += 1) {
      machine.due(60_000);
      expect(machine.namedEffects).toEqual([
        { type: 'request', grantId: 'g1', requestId: currentRequest, mode: 'subscribe' },
      ]);
    }
    expect(machine.requested().grant.pending?.id).toBe(currentRequest);
  });
});

describe('a discovery', () => {
  test('counts once', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    const discoveryId = machine.record.currentDiscovery ?? '';
    expect(machine.namedEffects).toEqual([{ type: 'discover', discoveryId }]);
    machine.discovered();
    expect(isIgnored(machine, { type: 'discovered', discoveryId, topic: TOPIC, hubs: [SECOND_HUB] })).toBe(true);
    expect(isIgnored(machine, { type: 'discovery-failed', discoveryId, failure: failure('discovery') })).toBe(true);
    expect(isIgnored(machine, { type: 'discovery-deferred', discoveryId, until: machine.now + 1_000 })).toBe(true);
  });

  test('serves everyone who wants one before its result', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    const { currentDiscovery: discoveryId } = machine.record;
    expect(machine.due(60_000).namedEffects).toEqual([{ type: 'discover', discoveryId }]);
    expect(machine.discovered().actions).toEqual(['subscribe']);
  });

  test('that ends after the subscription was unwanted and wanted again changes nothing', () => {
    const machine = new SubscriptionMachine().apply({ type: 'wanted' });
    const discoveryId = machine.record.currentDiscovery ?? '';
    machine.unwanted('unsubscribed').apply({ type: 'retried' });
    expect(machine.record.currentDiscovery).not.toBe(discoveryId);
    expect(isIgnored(machine, { type: 'discovered', discoveryId, topic: TOPIC, hubs: [HUB] })).toBe(true);
  });
});

describe('the results of two handler calls for one verification', () => {
  const results = ['verified', 'handler-refused'] as const;

  test.each(results)('count once if the request is %s first', (first) => {
    for (const second of results) {
      for (const mode of ['subscribe', 'unsubscribe'] as const) {
        const machine = mode === 'subscribe' ? verifying().accepted() : active().unwanted('unsubscribed').requested();
        const requestId = machine.grant.pending?.id;
        const apply = (type: (typeof results)[number]): SubscriptionMachine =>
          type === 'verified'
            ? machine.apply({ type, grantId: 'g1', requestId, mode, leaseSeconds: '600' })
            : machine.apply({ type, grantId: 'g1', requestId, mode, failure: failure('handler-refused') });
        expect(apply(first).actions).not.toEqual([]);
        const { record } = machine;
        expect(apply(second).effects).toEqual([]);
        expect(machine.record).toBe(record);
      }
    }
  });

  test('V9 do not answer a request that was sent after the verification came', () => {
    const machine = active()
      .due(9 * DAY)
      .discovered();
    const renewalAt = dueAt(machine.requested().record);
    // The verification was unsolicited, and its handler took long.
    machine.apply({ type: 'verified', grantId: 'g1', requestId: undefined, mode: 'subscribe', leaseSeconds: '60' });
    expect(machine.grant.pending?.accepted).toBe(false);
    expect(machine.grant.pending?.verified).toBeUndefined();
    expect(dueAt(machine.record)).toBe(renewalAt);
  });

  test('V1 the answer to an older verification does not count for a newer one', () => {
    const machine = verifying().accepted();
    const requestId = machine.grant.pending?.id ?? '';
    machine.verified().apply({ type: 'renewal-wanted' }).discovered().requested().accepted();
    const newId = machine.grant.pending?.id;
    machine.apply({ type: 'verified', grantId: 'g1', requestId: newId, mode: 'subscribe', leaseSeconds: '600' });
    expect(isIgnored(machine, { type: 'answered', grantId: 'g1', requestId })).toBe(true);
    expect(machine.grant.isConfirmationUnsent).toBe(true);
  });
});
