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

/** A life whose target answered 429 and wants to be left alone for ten minutes. */
function told(life = new Life().apply({ type: 'wanted' }), minutes = 10): Life {
  const hold = { url: TOPIC, until: life.now + minutes * MINUTE };
  return life.apply({ type: 'discovery-failed', failure: failure('discovery', life.now), retryAfter: hold });
}

describe('D13 a publisher that wants to be left alone', () => {
  test('is asked again when that is over, not by the usual backoff', () => {
    const life = told();
    expect(dueAt(life.record)).toBe(life.now + 10 * MINUTE);
    expect(life.record).toMatchObject({ attempts: 1, lastError: { cause: 'discovery' } });
    expect(life.due(9 * MINUTE).asked).toEqual([]);
    expect(life.due(MINUTE).asked).toEqual(['discover']);
  });

  test('is not asked by whatever else begins a discovery', () => {
    const life = told().after(MINUTE).apply({ type: 'counters-reset' });
    expect(life.asked).toEqual(['discover']);
    const until = publisherRetryAt(life.record, TOPIC, life.now) ?? 0;
    expect(until).toBe(life.now + 9 * MINUTE);
    life.apply({ type: 'discovery-deferred', until });
    expect(life.asked).toEqual([]);
    expect(dueAt(life.record)).toBe(until);
  });

  test('does not keep a renewal waiting, nor a hub that is known from being asked', () => {
    const renewed = active().due(9 * DAY);
    expect(renewed.asked).toEqual(['discover']);
    expect(renewed.apply({ type: 'discovery-deferred', until: renewed.now + MINUTE }).asked).toEqual(['subscribe']);
    const failed = active().due(20 * DAY);
    expect(failed.asked).toContain('discover');
    failed.apply({ type: 'discovery-deferred', until: failed.now + DAY });
    expect(failed.asked).toContain('subscribe');
    expect(failed.grantAt(HUB).advertisedHub).toBe(HUB);
  });

  test('is asked at once for retry(id), whatever it wanted', () => {
    const life = told().after(MINUTE).apply({ type: 'retried', atOnce: true });
    expect(life.asked).toContain('discover');
    expect(publisherRetryAt(life.record, TOPIC, life.now)).toBeUndefined();
  });

  test('is still left alone after subscribe() and a restart', () => {
    const life = told().after(MINUTE).apply({ type: 'retried' });
    const { record } = decodeSubscription(
      's',
      encodeSubscription({ record: life.record, stats: { received: 0, rejected: 0, delivered: 0, failed: 0 } }),
    );
    expect(publisherRetryAt(record, TOPIC, life.now)).toBe(life.now + 9 * MINUTE);
  });

  test('is left alone by the URL that was asked for, not by its host', () => {
    const life = told();
    expect(publisherRetryAt(life.record, `${TOPIC}/other`, life.now)).toBeUndefined();
    expect(publisherRetryAt(life.record, TOPIC.replace('feed', '%66eed'), life.now)).toBeDefined();
    life.apply({ type: 'publisher-retry-after', retryAfter: { url: `${TOPIC}/other`, until: life.now + MINUTE } });
    expect(publisherRetryAt(life.record, TOPIC, life.now)).toBe(life.now + 10 * MINUTE);
    expect(publisherRetryAt(life.record, `${TOPIC}/other`, life.now)).toBe(life.now + MINUTE);
  });

  test('is not left alone for what a clock that was set back would make of it', () => {
    const life = told();
    expect(publisherRetryAt(life.record, TOPIC, life.now - 2 * DAY)).toBeUndefined();
  });

  test('by few of its URLs at a time, and no longer than it wanted', () => {
    const life = told();
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
  ['holds that are no list', { publisherRetryAfters: {} }],
  ['a hold that is none', { publisherRetryAfters: [null] }],
  ['a hold without an end', { publisherRetryAfters: [{ url: TOPIC, until: 'later' }] }],
  ['a source without a URL', { topicSource: { topic: TOPIC } }],
])('D13, D14: a record with %s is corrupt', (_what, change) => {
  const stats = { received: 0, rejected: 0, delivered: 0, failed: 0 };
  const written = encodeSubscription({ record: { ...active().record, ...change }, stats });
  expect(() => decodeSubscription('s', written)).toThrow('corrupt');
});

test('D13 only what asks for it begins a hold', () => {
  const asked = new ResourceDiscoveryFailedError('429', { status: 429, retryAfterSeconds: 60 });
  expect(publisherRetryAfterOf(asked, TOPIC, 1_000)).toEqual({ url: TOPIC, until: 61_000 });
  expect(publisherRetryAfterOf(new ResourceDiscoveryFailedError('429', { status: 429 }), TOPIC, 1_000)).toBeUndefined();
  expect(publisherRetryAfterOf(new Error('429'), TOPIC, 1_000)).toBeUndefined();
});
