import { expect, test } from 'vitest';
import { canDeferWrite } from '../../../src/subscription/record/deferred-write.js';
import { withCurrentIds, type BareInput } from '../machine/current-ids.js';
import { active, DAY, failure, HUB, SubscriptionMachine, verifying } from '../machine/subscription-machine.js';

/** Whether the write after an input may be deferred. */
function canDefer(machine: SubscriptionMachine, bareInput: BareInput): boolean {
  const { record } = machine;
  const input = withCurrentIds(bareInput, record, machine.now);
  machine.apply(input);
  return canDeferWrite(record, input, machine);
}

/** An active subscription with an answered unsolicited denial. */
function answeredDenial(): SubscriptionMachine {
  return active().denied().apply({ type: 'denial-answered', grantId: 'g1' });
}

test.each([
  ['a discovery that starts', new SubscriptionMachine(), { type: 'wanted' }],
  [
    'the result of a discovery',
    new SubscriptionMachine().apply({ type: 'wanted' }),
    { type: 'discovered', topic: 'https://t.example/', hubs: [HUB] },
  ],
  ['a renewal that starts', active().after(9 * DAY), { type: 'due' }],
  ['the request after an unsolicited denial', active().denied().after(90_000), { type: 'due' }],
] as const)('the write after %s is deferred', (_name, machine, input) => {
  expect(canDefer(machine, input)).toBe(true);
});

test('the write after an accepted request is deferred, except at the first acceptance or a move of the hub', () => {
  const acceptedInput = { type: 'accepted', grantId: 'g1', hub: HUB, moved: false } as const;
  expect(canDefer(verifying(), acceptedInput)).toBe(false);
  expect(canDefer(verifying().accepted(), acceptedInput)).toBe(true);
  expect(canDefer(verifying().accepted(), { ...acceptedInput, hub: 'https://moved.example/', moved: true })).toBe(
    false,
  );
});

test.each([
  ['refused content', active(), { type: 'content-refused', since: 0 }],
  ['a failed catch-up', active().due(10 * DAY), { type: 'catch-up-failed', notBefore: 0 }],
  ['a start after a downtime', active(), { type: 'resumed', receivedUntil: 0, fetchAt: 0 }],
] as const)('the write after %s is deferred: the stored record plans the same fetch', (_name, machine, input) => {
  expect(canDefer(machine, input)).toBe(true);
  expect(machine.record.catchUp).toBeDefined();
});

test('the write after a poll is deferred, unless it stores when the topic was polled', () => {
  const machine = new SubscriptionMachine();
  machine.rules = { ...machine.rules, pollSeconds: 60 };
  machine.apply({ type: 'wanted' }).discovered();
  const input = { type: 'polled', fetched: { topic: 'https://t.example/' }, missing: [] } as const;
  expect(canDefer(machine, input)).toBe(false);
  expect(canDefer(machine, input)).toBe(true);
  expect(canDefer(machine.after(2 * DAY), input)).toBe(false);
});

test('the write after rejected content is deferred, because anyone can send such content', () => {
  expect(canDefer(active(), { type: 'content-rejected', failure: failure('unsigned') })).toBe(true);
});

test.each([
  ['an input that changes nothing', active(), { type: 'due' }],
  [
    'a request that is sent',
    new SubscriptionMachine().apply({ type: 'wanted' }).discovered(),
    { type: 'requested', grantId: 'g1', mode: 'subscribe', secret: null },
  ],
  ['a verification', verifying(), { type: 'verified', grantId: 'g1', mode: 'subscribe' }],
  ['a missed verification deadline', verifying().after(DAY), { type: 'due' }],
  ['the end of a lease', active().after(11 * DAY), { type: 'due' }],
  ['a denial', active(), { type: 'denied', grantId: 'g1', failure: failure('denied') }],
  ['the failure of a denied request', verifying().accepted().denied().after(60_000), { type: 'due' }],
  ['signed content after a denial', answeredDenial(), { type: 'hub-delivered', grantId: 'g1', isSigned: true }],
  ['a catch-up', active().due(10 * DAY), { type: 'caught-up', beganAt: 0, fetched: { topic: 'https://t.example/' } }],
  ['a hub error', active(), { type: 'hub-error', grantId: 'g1', failure: failure('hub-error') }],
  ['a rotation of the secret', active(), { type: 'rotation-wanted', rotate: 'secret' }],
  ['an unsubscription by the user', active(), { type: 'unwanted', why: 'unsubscribed' }],
  ['a retry by the user', active().denied(), { type: 'retried' }],
] as const)('the write after %s is not deferred', (_name, machine, input) => {
  expect(canDefer(machine, input)).toBe(false);
});
