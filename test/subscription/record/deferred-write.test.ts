import { expect, test } from 'vitest';
import { canDeferWrite } from '../../../src/subscription/record/deferred-write.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { active, DAY, failure, HUB, Life, verifying } from '../machine/life.js';

/** Whether what an event makes of a life need not be stored at once. */
function mayWait(life: Life, event: SubscriptionEvent): boolean {
  const { record } = life;
  life.apply(event);
  return canDeferWrite(record, event, life.effects);
}

/** A denial that came unasked and was answered. */
function answeredDenial(): Life {
  return active().denied().apply({ type: 'denial-answered', grantId: 'g1' });
}

test.each([
  ['a discovery that begins', new Life(), { type: 'wanted' }],
  [
    'what it found',
    new Life().apply({ type: 'wanted' }),
    { type: 'discovered', topic: 'https://t.example/', hubs: [HUB] },
  ],
  ['a renewal that begins', active().after(9 * DAY), { type: 'due' }],
  ['the question after an unasked denial', active().denied().after(90_000), { type: 'due' }],
] as const)('%s would be found again', (_what, life, event) => {
  expect(mayWait(life, event)).toBe(true);
});

test('that a hub took a request would be found again, but not that it moved, or is known by now', () => {
  const accepted = { type: 'accepted', grantId: 'g1', requestId: 'r1', hub: HUB, moved: false } as const;
  expect(mayWait(verifying(), accepted)).toBe(false);
  expect(mayWait(verifying().accepted(), accepted)).toBe(true);
  expect(mayWait(verifying().accepted(), { ...accepted, hub: 'https://moved.example/', moved: true })).toBe(false);
});

test('that content was rejected is not worth a write of its own: strangers bring it about', () => {
  expect(mayWait(active(), { type: 'content-rejected', failure: failure('unsigned') })).toBe(true);
});

test.each([
  ['nothing at all', active(), { type: 'due' }],
  [
    'a request that leaves',
    new Life().apply({ type: 'wanted' }).discovered(),
    { type: 'requested', grantId: 'g1', requestId: 'r', mode: 'subscribe', secret: null },
  ],
  ['a verification', verifying(), { type: 'verified', grantId: 'g1', mode: 'subscribe' }],
  ['that the time for one is over', verifying().after(DAY), { type: 'due' }],
  ['that a lease has ended', active().after(11 * DAY), { type: 'due' }],
  ['a denial', active(), { type: 'denied', grantId: 'g1', failure: failure('denied') }],
  ['that a denied attempt has failed', verifying().accepted().denied().after(60_000), { type: 'due' }],
  ['that the hub delivers all the same', answeredDenial(), { type: 'hub-delivered', grantId: 'g1', isSigned: true }],
  ['a hub error', active(), { type: 'hub-error', grantId: 'g1', failure: failure('hub-error') }],
  ['that another secret is wanted', active(), { type: 'rotation-wanted', what: 'secret' }],
  ['what the user wants', active(), { type: 'unwanted', why: 'unsubscribed' }],
  ['what the user wants again', active().denied(), { type: 'retried' }],
] as const)('%s is stored at once', (_what, life, event) => {
  expect(mayWait(life, event)).toBe(false);
});
