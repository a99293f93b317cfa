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
      dispatchAnswer = ACKNOWLEDGED,
      storeAnswer = ACKNOWLEDGED,
    }: { dispatchAnswer?: DeliveryAnswer | Promise<DeliveryAnswer>; storeAnswer?: DeliveryAnswer } = {},
  ): Promise<DeliveryAnswer> => {
    const context = contextOf(undefined, { subscription });
    const delivery: PendingDelivery = {
      dispatch() {
        log.push(`${name} dispatched`);
        return dispatchAnswer;
      },
      deadline: () => new AnswerDeadline({ ackAfterMs, storeTimeoutMs: 5_000 }, 0),
      async storeUndecided() {
        log.push(`${name} sent to the store`);
        const undecided = {
          accept: () => void log.push(`${name} accepted`),
          drop: () => void log.push(`${name} dropped`),
        };
        return storeAnswer === ACKNOWLEDGED ? { answer: storeAnswer, undecided } : { answer: storeAnswer };
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

test('an event parsed in time is dispatched, and its hub gets the answer of the dispatch', async () => {
  const { log, receive } = setUp();
  expect(await receive('one', Promise.resolve(DEDUPE_KEYS))).toBe(ACKNOWLEDGED);
  expect(log).toEqual(['one dispatched']);
});

test('a later event waits until an earlier event is parsed, but not until its handler ends', async () => {
  const { log, receive } = setUp();
  const parsing = deferred<readonly DedupeKey[]>();
  const handlerAnswer = deferred<DeliveryAnswer>();
  const first = receive('one', parsing.promise, { dispatchAnswer: handlerAnswer.promise });
  const second = receive('two', DEDUPE_KEYS);
  await Promise.resolve();
  expect(log).toEqual([]);
  parsing.resolve(DEDUPE_KEYS);
  expect(await second).toBe(ACKNOWLEDGED);
  expect(log).toEqual(['one dispatched', 'two dispatched']);
  handlerAnswer.resolve(ACKNOWLEDGED);
  expect(await first).toBe(ACKNOWLEDGED);
});

test('C9 if parsing exceeds the ack timeout, the event is stored, the hub is answered, and the duplicate check follows later', async () => {
  const { log, receive, mutex } = setUp({ ackAfterMs: 0 });
  const parsing = deferred<readonly DedupeKey[]>();
  expect(await receive('one', parsing.promise)).toBe(ACKNOWLEDGED);
  expect(await receive('two', DEDUPE_KEYS)).toBe(ACKNOWLEDGED);
  expect(log).toEqual(['one sent to the store', 'two sent to the store']);
  parsing.resolve(DEDUPE_KEYS);
  await mutex.runExclusive('s1', async () => {});
  expect(log).toEqual(['one sent to the store', 'two sent to the store', 'one accepted', 'two accepted']);
});

test('C9 a stop does not wait for parsing, and the event is stored', async () => {
  const { log, receive, ackTimeout } = setUp();
  const answer = receive('one', deferred<readonly DedupeKey[]>().promise);
  ackTimeout.expireAll();
  expect(await answer).toBe(ACKNOWLEDGED);
  expect(log).toEqual(['one sent to the store']);
});

test('C7 an event that the full inbox did not store is not dispatched after parsing', async () => {
  const { log, receive, mutex } = setUp({ ackAfterMs: 0 });
  const parsing = deferred<readonly DedupeKey[]>();
  expect(await receive('one', parsing.promise, { storeAnswer: INBOX_FULL })).toBe(INBOX_FULL);
  parsing.resolve(DEDUPE_KEYS);
  await mutex.runExclusive('s1', async () => {});
  expect(log).toEqual(['one sent to the store']);
});
