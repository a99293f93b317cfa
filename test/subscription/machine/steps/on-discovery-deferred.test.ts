import { describe, expect, test } from 'vitest';
import { ResourceDiscoveryFailedError } from '../../../../src/errors.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import {
  publisherRetryAt,
  publisherRetryAfterOf,
} from '../../../../src/subscription/machine/rules/publisher-retry-after.js';
import { decodeSubscription, encodeSubscription } from '../../../../src/subscription/record/subscription-codec.js';
import { active, DAY, failure, HUB, SubscriptionMachine, TOPIC } from '../subscription-machine.js';

const MINUTE = 60_000;

/** A machine whose target answered 429 with a Retry-After of ten minutes. */
function rateLimited(machine = new SubscriptionMachine().apply({ type: 'wanted' }), minutes = 10): SubscriptionMachine {
  const retryAfter = { url: TOPIC, until: machine.now + minutes * MINUTE };
  return machine.apply({ type: 'discovery-failed', failure: failure('discovery', machine.now), retryAfter });
}

describe('D13 a publisher with a Retry-After', () => {
  test('is fetched again when its Retry-After is over, not by the usual backoff', () => {
    const machine = rateLimited();
    expect(dueAt(machine.record)).toBe(machine.now + 10 * MINUTE);
    expect(machine.record).toMatchObject({ attempts: 1, lastError: { cause: 'discovery' } });
    expect(machine.due(9 * MINUTE).actions).toEqual([]);
    expect(machine.due(MINUTE).actions).toEqual(['discover']);
  });

  test('is not fetched earlier when a reset of the counters starts a discovery', () => {
    const machine = rateLimited().after(MINUTE).apply({ type: 'counters-reset' });
    expect(machine.actions).toEqual(['discover']);
    const until = publisherRetryAt(machine.record, TOPIC, machine.now) ?? 0;
    expect(until).toBe(machine.now + 9 * MINUTE);
    machine.apply({ type: 'discovery-deferred', until });
    expect(machine.actions).toEqual([]);
    expect(dueAt(machine.record)).toBe(until);
  });

  test('does not delay a renewal, nor a request at a known hub', () => {
    const renewing = active().due(9 * DAY);
    expect(renewing.actions).toEqual(['discover']);
    expect(renewing.apply({ type: 'discovery-deferred', until: renewing.now + MINUTE }).actions).toEqual(['subscribe']);
    const expired = active().due(20 * DAY);
    expect(expired.actions).toContain('discover');
    expired.apply({ type: 'discovery-deferred', until: expired.now + DAY });
    expect(expired.actions).toContain('subscribe');
    expect(expired.grantAt(HUB).advertisedHub).toBe(HUB);
  });

  test('is fetched at once for retry(id), whatever its Retry-After', () => {
    const machine = rateLimited().after(MINUTE).apply({ type: 'retried', isImmediate: true });
    expect(machine.actions).toContain('discover');
    expect(publisherRetryAt(machine.record, TOPIC, machine.now)).toBeUndefined();
  });

  test('is not fetched earlier after subscribe() and a restart', () => {
    const machine = rateLimited().after(MINUTE).apply({ type: 'retried' });
    const { record } = decodeSubscription(
      's',
      encodeSubscription({ record: machine.record, stats: { received: 0, rejected: 0, delivered: 0, failed: 0 } }),
    );
    expect(publisherRetryAt(record, TOPIC, machine.now)).toBe(machine.now + 9 * MINUTE);
  });

  test('is not fetched at the rate-limited URL, but at other URLs of its host', () => {
    const machine = rateLimited();
    expect(publisherRetryAt(machine.record, `${TOPIC}/other`, machine.now)).toBeUndefined();
    expect(publisherRetryAt(machine.record, TOPIC.replace('feed', '%66eed'), machine.now)).toBeDefined();
    machine.apply({
      type: 'publisher-retry-after',
      retryAfter: { url: `${TOPIC}/other`, until: machine.now + MINUTE },
    });
    expect(publisherRetryAt(machine.record, TOPIC, machine.now)).toBe(machine.now + 10 * MINUTE);
    expect(publisherRetryAt(machine.record, `${TOPIC}/other`, machine.now)).toBe(machine.now + MINUTE);
  });

  test('is fetched if a clock that was set back makes the wait too long', () => {
    const machine = rateLimited();
    expect(publisherRetryAt(machine.record, TOPIC, machine.now - 2 * DAY)).toBeUndefined();
  });

  test('has at most four stored waits, and each is removed when it is over', () => {
    const machine = rateLimited();
    for (let url = 0; url < 20; url += 1) {
      machine.apply({
        type: 'publisher-retry-after',
        retryAfter: { url: `${TOPIC}/${url}`, until: machine.now + MINUTE },
      });
    }
    expect(machine.record.publisherRetryAfters).toHaveLength(4);
    machine
      .after(2 * MINUTE)
      .apply({ type: 'publisher-retry-after', retryAfter: { url: TOPIC, until: machine.now + MINUTE } });
    expect(machine.record.publisherRetryAfters).toEqual([{ url: TOPIC, until: machine.now + MINUTE }]);
  });
});

test.each<[string, object]>([
  ['retry-afters that are no list', { publisherRetryAfters: {} }],
  ['a retry-after that is null', { publisherRetryAfters: [null] }],
  ['a retry-after without an end', { publisherRetryAfters: [{ url: TOPIC, until: 'later' }] }],
  ['a source without a URL', { topicSource: { topic: TOPIC } }],
])('D13 D14 a record with %s is corrupt', (_name, change) => {
  const stats = { received: 0, rejected: 0, delivered: 0, failed: 0 };
  const encoded = encodeSubscription({ record: { ...active().record, ...change }, stats });
  expect(() => decodeSubscription('s', encoded)).toThrow('corrupt');
});

test('D13 only a failure with a Retry-After starts a wait', () => {
  const rateLimitedError = new ResourceDiscoveryFailedError('429', { status: 429, retryAfterSeconds: 60 });
  expect(publisherRetryAfterOf(rateLimitedError, TOPIC, 1_000)).toEqual({ url: TOPIC, until: 61_000 });
  expect(publisherRetryAfterOf(new ResourceDiscoveryFailedError('429', { status: 429 }), TOPIC, 1_000)).toBeUndefined();
  expect(publisherRetryAfterOf(new Error('429'), TOPIC, 1_000)).toBeUndefined();
});
