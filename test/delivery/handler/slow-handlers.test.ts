import { expect, test } from 'vitest';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { subscribed } from '../../kit/subscribed.js';
import { SlowHandlers } from '../../../src/delivery/handler/slow-handlers.js';
import { contextOf } from '../message/event-fixtures.js';

const SLOW =
  'the handler did not finish within delivery.ackAfterMs: the event is stored, the hub was answered 202, and the handler ' +
  'keeps running';

test('a handler that takes longer than ackAfterMs is logged with its event and the limit', async () => {
  const handlerEnd = deferred();
  const events: string[] = [];
  const { post, logger, snapshot } = await subscribed({
    config: { delivery: { ackAfterMs: 500 } },
    handlers: {
      onEventNotification: async ({ id }) => {
        events.push(id);
        await handlerEnd.promise;
      },
    },
  });
  expect((await post('news')).status).toBe(202);
  const { id } = await snapshot();
  expect(logger.lines.filter(({ message }) => message === SLOW)).toEqual([
    {
      level: 'warn',
      fields: { event: events[0], subscription: id, service: 'News', ackAfterMs: 500, notLogged: 0 },
      message: SLOW,
    },
  ]);
  handlerEnd.resolve();
});

test('a handler that fails in time is not logged as slow', async () => {
  const { post, logger } = await subscribed({
    handlers: { onEventNotification: () => Promise.reject(new Error('not now')) },
  });
  expect((await post('news')).status).toBe(202);
  expect(logger.messages('warn')).toContain('a handler failed');
  expect(logger.messages('warn')).not.toContain(SLOW);
});

test('slow handlers are logged once a minute for each subscription, with the number of suppressed lines', () => {
  const world = new FakeWorld();
  const slow = new SlowHandlers({ logger: world.logger, now: () => world.now });
  const context = contextOf();
  const limit = { ackAfterMs: 5_000 };
  for (let count = 0; count < 3; count += 1) slow.report(context, limit, 5_000);
  slow.report(contextOf(), limit, 5_000);
  world.advance(60_000);
  slow.report(context, limit, 5_000);
  expect(world.lines.map(({ fields }) => fields['notLogged'])).toEqual([0, 0, 2]);
});
