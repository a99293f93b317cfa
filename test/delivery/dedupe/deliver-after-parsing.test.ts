import { expect, test } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';
import { ACKNOWLEDGED, INBOX_FULL, type DeliveryAnswer } from '../../../src/delivery/delivery-answer.js';
import { deliverAfterParsing, type PendingDelivery } from '../../../src/delivery/dedupe/deliver-after-parsing.js';
import { AckTimeout } from '../../../src/delivery/handler/ack-timeout.js';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';
import { KeyedMutex } from '../../../src/engine/keyed-mutex.js';
import { deferred } from '../../kit/deferred.js';
import { contextOf, storedSubscription } from '../message/event-fixtures.js';

const DEDUPE_KEYS: readonly DedupeKey[] = [{ key: 'a', version: '1' }];

/** Deliveries of one subscription, and a log of what happens to them. */
function setUp({ ackAfterMs = 60_000 }: { ackAfterMs?: number } = {}) {
  const dependencies = { mutex: new KeyedMutex(), ackTimeout: new AckTimeout() };
  const subscription = storedSubscription();
  const log: string[] = [];
  const receive = (
    name: string,
    dedupeKeys: readonly DedupeKey[] | Promise<readonly DedupeKey[]>,
    {
      dispatched = ACKNOWLEDGED,
      stored = ACKNOWLEDGED,
    }: { dispatched?: DeliveryAnswer | Promise<DeliveryAnswer>; stored?: DeliveryAnswer } = {},
  ): Promise<DeliveryAnswer> => {
    const context = contextOf(undefined, { subscription });
    const delivery: PendingDelivery = {
      dispatch() {
        log.push(`${name} dispatched`);
        return dispatched;
      },
      deadline: () => new AnswerDeadline({ ackAfterMs, storeTimeoutMs: 5_000 }, 0),
      async storeUndecided() {
        log.push(`${name} stored`);
        const undecided = {
          accept: () => void log.push(`${name} accepted`),
          drop: () => void log.push(`${name} dropped`),
        };
        return stored === ACKNOWLEDGED ? { answer: stored, undecided } : { answer: stored };
      },
    };
    return deliverAfterParsing(dependencies, context, dedupeKeys, delivery, {
      async dispatchIfNew(dispatch, onStarted) {
        const answer = dispatch();
        onStarted();
        return answer;
      },
      decideStored: async (undecided) => undecided.accept(DEDUPE_KEYS),
    });
  };
  return { log, receive, ...dependencies };
}

test('an event parsed in time is dispatched, and its hub gets that answer', async () => {
  const set = setUp();
  expect(await set.receive('one', Promise.resolve(DEDUPE_KEYS))).toBe(ACKNOWLEDGED);
  expect(set.log).toEqual(['one dispatched']);
});

test('a later event waits until an earlier one is parsed, but not for its handler', async () => {
  const set = setUp();
  const parsed = deferred<readonly DedupeKey[]>();
  const handler = deferred<DeliveryAnswer>();
  const first = set.receive('one', parsed.promise, { dispatched: handler.promise });
  const second = set.receive('two', DEDUPE_KEYS);
  await Promise.resolve();
  expect(set.log).toEqual([]);
  parsed.resolve(DEDUPE_KEYS);
  expect(await second).toBe(ACKNOWLEDGED);
  expect(set.log).toEqual(['one dispatched', 'two dispatched']);
  handler.resolve(ACKNOWLEDGED);
  expect(await first).toBe(ACKNOWLEDGED);
});

test('C9: parsing counts toward the ack timeout: after it the event is stored, the hub answered, and the event decided later', async () => {
  const set = setUp({ ackAfterMs: 0 });
  const parsed = deferred<readonly DedupeKey[]>();
  expect(await set.receive('one', parsed.promise)).toBe(ACKNOWLEDGED);
  expect(await set.receive('two', DEDUPE_KEYS)).toBe(ACKNOWLEDGED);
  expect(set.log).toEqual(['one stored', 'two stored']);
  parsed.resolve(DEDUPE_KEYS);
  await set.mutex.runExclusive('s1', async () => {});
  expect(set.log).toEqual(['one stored', 'two stored', 'one accepted', 'two accepted']);
});

test('C9: a stop does not wait for parsing', async () => {
  const set = setUp();
  const answer = set.receive('one', deferred<readonly DedupeKey[]>().promise);
  set.ackTimeout.expireAll();
  expect(await answer).toBe(ACKNOWLEDGED);
  expect(set.log).toEqual(['one stored']);
});

test('C7: an event without room is not dispatched when it is parsed: its hub sends it again', async () => {
  const set = setUp({ ackAfterMs: 0 });
  const parsed = deferred<readonly DedupeKey[]>();
  expect(await set.receive('one', parsed.promise, { stored: INBOX_FULL })).toBe(INBOX_FULL);
  parsed.resolve(DEDUPE_KEYS);
  await set.mutex.runExclusive('s1', async () => {});
  expect(set.log).toEqual(['one stored']);
});
