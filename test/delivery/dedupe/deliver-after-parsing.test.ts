import { expect, test } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';
import { ACKNOWLEDGED, INBOX_FULL, type DeliveryAnswer } from '../../../src/delivery/delivery-answer.js';
import { deliverAfterParsing, type PendingDelivery } from '../../../src/delivery/dedupe/deliver-after-parsing.js';
import { AckTimeout } from '../../../src/delivery/handler/ack-timeout.js';
import type { DedupeKey } from '../../../src/delivery/dedupe/dedupe-key.js';
import { KeyedMutex } from '../../../src/engine/keyed-mutex.js';
import { deferred } from '../../kit/fake-world.js';
import { entryOf, receptionOf } from '../message/reception.js';

const PIECES: readonly DedupeKey[] = [{ key: 'a', version: '1' }];

/** Deliveries of one subscription, and what becomes of each, in its order. */
function setUp({ ackAfterMs = 60_000 }: { ackAfterMs?: number } = {}) {
  const parties = { turns: new KeyedMutex(), patience: new AckTimeout() };
  const entry = entryOf();
  const told: string[] = [];
  const receive = (
    name: string,
    pieces: readonly DedupeKey[] | Promise<readonly DedupeKey[]>,
    {
      hand = ACKNOWLEDGED,
      stored = ACKNOWLEDGED,
    }: { hand?: DeliveryAnswer | Promise<DeliveryAnswer>; stored?: DeliveryAnswer } = {},
  ): Promise<DeliveryAnswer> => {
    const reception = receptionOf(undefined, { entry });
    const handing: PendingDelivery = {
      dispatch() {
        told.push(`${name} handed over`);
        return hand;
      },
      deadline: () => new AnswerDeadline({ ackAfterMs, storeTimeoutMs: 5_000 }, 0),
      async storeUndecided() {
        told.push(`${name} stored`);
        const held = {
          accept: () => void told.push(`${name} released`),
          drop: () => void told.push(`${name} dropped`),
        };
        return stored === ACKNOWLEDGED ? { answer: stored, held } : { answer: stored };
      },
    };
    return deliverAfterParsing(parties, reception, pieces, handing, {
      async dispatchIfNew(give, onBegun) {
        const answer = give();
        onBegun();
        return answer;
      },
      decideStored: async (held) => held.accept(PIECES),
    });
  };
  return { told, receive, ...parties };
}

test('what is parsed in time is handed over, and its hub gets that answer', async () => {
  const set = setUp();
  expect(await set.receive('one', Promise.resolve(PIECES))).toBe(ACKNOWLEDGED);
  expect(set.told).toEqual(['one handed over']);
});

test('what comes later waits for what is parsed before it, and not for its handler', async () => {
  const set = setUp();
  const parsed = deferred<readonly DedupeKey[]>();
  const handler = deferred<DeliveryAnswer>();
  const first = set.receive('one', parsed.promise, { hand: handler.promise });
  const second = set.receive('two', PIECES);
  await Promise.resolve();
  expect(set.told).toEqual([]);
  parsed.resolve(PIECES);
  expect(await second).toBe(ACKNOWLEDGED);
  expect(set.told).toEqual(['one handed over', 'two handed over']);
  handler.resolve(ACKNOWLEDGED);
  expect(await first).toBe(ACKNOWLEDGED);
});

test('C9: parsing counts as what the handler may take: after that the event is stored, the hub answered, and decided later', async () => {
  const set = setUp({ ackAfterMs: 0 });
  const parsed = deferred<readonly DedupeKey[]>();
  expect(await set.receive('one', parsed.promise)).toBe(ACKNOWLEDGED);
  expect(await set.receive('two', PIECES)).toBe(ACKNOWLEDGED);
  expect(set.told).toEqual(['one stored', 'two stored']);
  parsed.resolve(PIECES);
  await set.turns.runExclusive('s1', async () => {});
  expect(set.told).toEqual(['one stored', 'two stored', 'one released', 'two released']);
});

test('C9: a stop waits no longer for what is being parsed', async () => {
  const set = setUp();
  const answer = set.receive('one', deferred<readonly DedupeKey[]>().promise);
  set.patience.expireAll();
  expect(await answer).toBe(ACKNOWLEDGED);
  expect(set.told).toEqual(['one stored']);
});

test('C7: what there is no room for is not handed over when it is parsed: its hub comes again', async () => {
  const set = setUp({ ackAfterMs: 0 });
  const parsed = deferred<readonly DedupeKey[]>();
  expect(await set.receive('one', parsed.promise, { stored: INBOX_FULL })).toBe(INBOX_FULL);
  parsed.resolve(PIECES);
  await set.turns.runExclusive('s1', async () => {});
  expect(set.told).toEqual(['one stored']);
});
