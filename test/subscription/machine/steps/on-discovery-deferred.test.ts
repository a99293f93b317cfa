import { describe, expect, test } from 'vitest';
import { ResourceDiscoveryFailedError } from '../../../../src/errors.js';
import { dueAt } from '../../../../src/subscription/machine/steps/on-due.js';
import {
  publisherRetryAt,
  publisherRetryAfterOf,
} from '../../../../src/subscription/machine/rules/publisher-retry-after.js';
import { decodeSubscription, encodeSubscription } from '../../../../src/subscription/record/subscription-codec.js';
import { active, DAY, failure, HUB, Life, TOPIC } from '../life.js';

const MINUTE = 60_000;

/** A life whose target answered 429 with a Retry-After of ten minutes. */
function rateLimited(life = new Life().apply({ type: 'wanted' }), minutes = 10): Life {
  const retryAfter = { url: TOPIC, until: life.now + minutes * MINUTE };
  return life.apply({ type: 'discovery-failed', failure: failure('discovery', life.now), retryAfter });
}

describe('D13 a publisher with a Retry-After', () => {
  test('is fetched again when that is over, not by the usual backoff', () => {
    const life = rateLimited();
    expect(dueAt(life.record)).toBe(life.now + 10 * MINUTE);
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'discovery' } });
    expect(life.due(9 * MINUTE).actions).toEqual([]);
    expect(life.due(MINUTE).actions).toEqual(['discover']);
  });

  test('is not fetched for another reason to discover', () => {
    const life = rateLimited().after(MINUTE).apply({ type: 'counters-reset' });
    expect(life.actions).toEqual(['discover']);
    const until = publisherRetryAt(life.record, TOPIC, life.now) ?? 0;
    expect(until).toBe(life.now + 9 * MINUTE);
    life.apply({ type: 'discovery-deferred', until });
    expect(life.actions).toEqual([]);
    expect(dueAt(life.record)).toBe(until);
  });

  test('does not delay a renewal, nor a request at a known hub', () => {
    const renewed = active().due(9 * DAY);
    expect(renewed.actions).toEqual(['discover']);
    expect(renewed.apply({ type: 'discovery-deferred', until: renewed.now + MINUTE }).actions).toEqual(['subscribe']);
    const failed = active().due(20 * DAY);
    expect(failed.actions).toContain('discover');
    failed.apply({ type: 'discovery-deferred', until: failed.now + DAY });
    expect(failed.actions).toContain('subscribe');
    expect(failed.grantAt(HUB).advertisedHub).toBe(HUB);
  });

  test('is fetched at once for retry(id), whatever its Retry-After', () => {
    const life = rateLimited().after(MINUTE).apply({ type: 'retried', isImmediate: true });
    expect(life.actions).toContain('discover');
    expect(publisherRetryAt(life.record, TOPIC, life.now)).toBeUndefined();
  });

  test('is still not fetched after subscribe() and a restart', () => {
    const life = rateLimited().after(MINUTE).apply({ type: 'retried' });
    const { record } = decodeSubscription(
      's',
      encodeSubscription({ record: life.record, stats: { received: 0, rejected: 0, delivered: 0, failed: 0 } }),
    );
    expect(publisherRetryAt(record, TOPIC, life.now)).toBe(life.now + 9 * MINUTE);
  });

  test('is not fetched at the requested URL, but at others of its host', () => {
    const life = rateLimited();
    expect(publisherRetryAt(life.record, `${TOPIC}/other`, life.now)).toBeUndefined();
    expect(publisherRetryAt(life.record, TOPIC.replace('feed', '%66eed'), life.now)).toBeDefined();
    life.apply({ type: 'publisher-retry-after', retryAfter: { url: `${TOPIC}/other`, until: life.now + MINUTE } });
    expect(publisherRetryAt(life.record, TOPIC, life.now)).toBe(life.now + 10 * MINUTE);
    expect(publisherRetryAt(life.record, `${TOPIC}/other`, life.now)).toBe(life.now + MINUTE);
  });

  test('is fetched if a clock that was set back makes the wait too long', () => {
    const life = rateLimited();
    expect(publisherRetryAt(life.record, TOPIC, life.now - 2 * DAY)).toBeUndefined();
  });

  test('keeps the waits of few URLs, and no longer than it asked for', () => {
    const life = rateLimited();
    for (let url = 0; url < 20; url += 1) {
      life.apply({ type: 'publisher-retry-after', retryAfter: { url: `${TOPIC}/${url}`, until: life.now + MINUTE } });
    }
    expect(life.record.publisherRetryAfters).toHaveLength(4);
    life
      .after(2 * MINUTE)
      .apply({ type: 'publisher-retry-after', retryAfter: { url: TOPIC, until: life.now + MINUTE } });
    expect(life.record.publisherRetryAfters).toEqual([{ url: TOPIC, until: life.now + MINUTE }]);
  });
});

test.each<[string, object]>([
  ['retry-afters that are no list', { publisherRetryAfters: {} }],
  ['a retry-after that is null', { publisherRetryAfters: [null] }],
  ['a retry-after without an end', { publisherRetryAfters: [{ url: TOPIC, until: 'later' }] }],
  ['a source without a URL', { topicSource: { topic: TOPIC } }],
])('D13 D14 a record with %s is corrupt', (_name, change) => {
  const stats = { received: 0, rejected: 0, delivered: 0, failed: 0 };
  const written = encodeSubscription({ record: { ...active().record, ...change }, stats });
  expect(() => decodeSubscription('s', written)).toThrow('corrupt');
});

test('D13 only a failure with a Retry-After starts a wait', () => {
  const rateLimitedError = new ResourceDiscoveryFailedError('429', { status: 429, retryAfterSeconds: 60 });
  expect(publisherRetryAfterOf(rateLimitedError, TOPIC, 1_000)).toEqual({ url: TOPIC, until: 61_000 });
  expect(publisherRetryAfterOf(new ResourceDiscoveryFailedError('429', { status: 429 }), TOPIC, 1_000)).toBeUndefined();
  expect(publisherRetryAfterOf(new Error('429'), TOPIC, 1_000)).toBeUndefined();
});
