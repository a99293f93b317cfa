import { expect, test } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';
import { ClaimedEntries } from '../../../src/delivery/dedupe/claimed-entries.js';
import { ACKNOWLEDGED } from '../../../src/delivery/delivery-answer.js';
import type { DeliveryService } from '../../../src/delivery/delivery-service.js';
import { Deduplicator } from '../../../src/delivery/dedupe/deduplicator.js';
import { deliveryWithDefaults } from '../../../src/runtime/config/checks/service-checks.js';
import { servicesWith, testContext } from '../../kit/test-context.js';
import { contextOf, storedSubscription } from '../message/event-fixtures.js';

const FEED = `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>one</title></entry></feed>`;

const LONG_FEED = FEED.replace('one', 'long '.repeat(20_000));

test('events of an ordered subscription keep their order, whatever they contain', async () => {
  const service: DeliveryService = {
    name: 'news',
    handlers: { onEventNotification: () => {} },
    delivery: deliveryWithDefaults({ mode: 'queued', order: 'subscription', dedupe: 'entries' }, 'failover'),
  };
  const processedLog: ConstructorParameters<typeof Deduplicator>[1] = {
    answerToDuplicate: () => undefined,
    async trackDelivery(_dedupeKeys, dispatch, onStarted) {
      await Promise.resolve();
      onStarted?.();
      return dispatch();
    },
    markEnqueued: () => {},
    settled: async () => {},
    markProcessed: () => {},
    markDeadLettered: () => {},
  };
  const context = testContext({ services: servicesWith({ get: () => service }) });
  const deduplicator = new Deduplicator(context, processedLog, new ClaimedEntries());
  const subscription = storedSubscription();
  const dispatched: string[] = [];
  const bodies = [FEED, '', 'no feed', LONG_FEED, FEED, ''];
  await Promise.all(
    bodies.map((body, index) => {
      const content = { headers: [], raw: new TextEncoder().encode(body) };
      return deduplicator.deliver(service, contextOf(content, { subscription }), {
        dispatch() {
          dispatched.push(`${index} ${body}`);
          return ACKNOWLEDGED;
        },
        deadline: () => new AnswerDeadline({ ackAfterMs: 60_000, storeTimeoutMs: 5_000 }, 0),
        storeUndecided: async () => ({ answer: ACKNOWLEDGED }),
      });
    }),
  );
  expect(dispatched).toEqual(bodies.map((body, index) => `${index} ${body}`));
});
