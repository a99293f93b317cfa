import { expect, test } from 'vitest';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { subscribed } from '../../kit/subscribed.js';
import { SlowHandlers } from '../../../src/delivery/handler/slow-handlers.js';
import { contextOf } from '../message/event-fixtures.js';

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
  expect(logger.logged('handler.slow').map(({ level, fields }) => ({ level, fields }))).toEqual([
    {
      level: 'warn',
      fields: { eventId: events[0], subscription: id, service: 'News', ackAfterMs: 500, suppressed: 0 },
    },
  ]);
  handlerEnd.resolve();
});

test('a handler that fails in time is not logged as slow', async () => {
  const { post, logger } = await subscribed({
    handlers: { onEventNotification: () => Promise.reject(new Error('not now')) },
  });
  expect((await post('news')).status).toBe(202);
  expect(logger.events('warn')).toContain('handler.failed');
  expect(logger.logged('handler.slow')).toEqual([]);
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
  expect(world.logged('handler.slow').map(({ fields }) => fields['suppressed'])).toEqual([0, 0, 2]);
});
