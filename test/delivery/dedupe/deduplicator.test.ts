import { expect, test } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';
import { ClaimedEntries } from '../../../src/delivery/dedupe/claimed-entries.js';
import { ACKNOWLEDGED } from '../../../src/delivery/delivery-answer.js';
import type { DeliveryTarget } from '../../../src/delivery/delivery-target.js';
import { Deduplicator } from '../../../src/delivery/dedupe/deduplicator.js';
import { deliveryWithDefaults } from '../../../src/runtime/config/checks/service-checks.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { entryOf, receptionOf } from '../message/reception.js';

const FEED = `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>one</title></entry></feed>`;

const LONG_FEED = FEED.replace('one', 'long '.repeat(20_000));

test('news in order keeps it, whatever is in it', async () => {
  const target: DeliveryTarget = {
    name: 'news',
    handlers: { onEventNotification: () => {} },
    delivery: deliveryWithDefaults({ mode: 'queued', order: 'subscription', dedupe: 'entries' }, 'failover'),
  };
  const once = new Deduplicator({
    processedLog: {
      answerToDuplicate: () => undefined,
      async trackDelivery(_pieces, hand, onBegun) {
        await Promise.resolve();
        onBegun?.();
        return hand();
      },
      markEnqueued: () => {},
      settled: async () => {},
      markProcessed: () => {},
      markDeadLettered: () => {},
    },
    claimedEntries: new ClaimedEntries(),
    logger: new FakeWorld().logger,
    targetOf: () => target,
  });
  const entry = entryOf();
  const handed: string[] = [];
  const bodies = [FEED, '', 'no feed', LONG_FEED, FEED, ''];
  await Promise.all(
    bodies.map((body, place) => {
      const content = { headers: [], raw: new TextEncoder().encode(body) };
      return once.deliver(target, receptionOf(content, { entry }), {
        dispatch() {
          handed.push(`${place} ${body}`);
          return ACKNOWLEDGED;
        },
        deadline: () => new AnswerDeadline({ ackAfterMs: 60_000, storeTimeoutMs: 5_000 }, 0),
        storeUndecided: async () => ({ answer: ACKNOWLEDGED }),
      });
    }),
  );
  expect(handed).toEqual(bodies.map((body, place) => `${place} ${body}`));
});
