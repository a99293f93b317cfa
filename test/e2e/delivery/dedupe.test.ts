import { expect, it } from 'vitest';
import { DAY_MS } from '../../kit/durations.js';
import { until } from '../../kit/until.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { throws } from '../../kit/throws.js';
import { deferred } from '../../kit/deferred.js';

const delivery = { dedupe: 'body' } as const;

it('a duplicate is acknowledged and not dispatched within the window, also after a restart', async () => {
  const received: string[] = [];
  const subscriber = await startSubscriber((event) => void received.push(event.text()), { delivery });
  await subscriber.publish('one');
  expect((await subscriber.publish('one')).status).toBe(202);
  expect(await statsOf(subscriber.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await subscriber.runtime.stop();
  await subscriber.startAgain();
  expect((await subscriber.publish('one')).status).toBe(202);
  await subscriber.publish('two');
  expect(received).toEqual(['one', 'two']);
  subscriber.world.advance(DAY_MS);
  await subscriber.publish('one');
  expect(received).toEqual(['one', 'two', 'one']);
});

it.each([
  [202, []],
  [503, ['set']],
] as const)(
  'a duplicate that arrives during the handler run gets the answer of the first delivery, %i, without another run',
  async (expectedStatus, storeFaults) => {
    const handlerRun = deferred();
    let runs = 0;
    const subscriber = await startSubscriber(
      async () => {
        runs += 1;
        await handlerRun.promise;
        if (expectedStatus === 503) throws(new Error('not now'));
      },
      { delivery },
    );
    const deliveries = Promise.all([subscriber.publish('one'), subscriber.publish('one')]);
    await until(() => subscriber.world.logged('event.duplicate').length === 1);
    // A failed event that cannot be stored is not acknowledged.
    subscriber.store.faults = new Set(storeFaults);
    handlerRun.resolve();
    expect((await deliveries).map(({ status }) => status)).toEqual([expectedStatus, expectedStatus]);
    expect(runs).toBe(1);
  },
);

it('an event whose handler failed is retried, and its duplicates are not dispatched', async () => {
  const attempts: number[] = [];
  const subscriber = await startSubscriber(
    ({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throws(new Error('not now'));
    },
    { delivery },
  );
  await subscriber.publish('one');
  expect((await subscriber.publish('one')).status).toBe(202);
  expect(attempts).toEqual([1]);
  for (let retry = 0; retry < 2; retry += 1) {
    subscriber.world.advance(5_000);
    await untilIdle();
  }
  expect(attempts).toEqual([1, 2, 3]);
  await subscriber.publish('one');
  expect(attempts).toEqual([1, 2, 3]);
});

it('a duplicate of an event that waits for a retry is not dispatched after a restart', async () => {
  let runs = 0;
  const subscriber = await startSubscriber(
    () => {
      runs += 1;
      throws(new Error('not now'));
    },
    { delivery },
  );
  await subscriber.publish('one');
  await subscriber.runtime.stop();
  await subscriber.startAgain();
  const runsBefore = runs;
  expect((await subscriber.publish('one')).status).toBe(202);
  expect(runs).toBe(runsBefore);
});

it('without dedupe, content received twice is dispatched twice', async () => {
  const received: string[] = [];
  const subscriber = await startSubscriber((event) => void received.push(event.text()));
  await subscriber.publish('one');
  await subscriber.publish('one');
  expect(received).toEqual(['one', 'one']);
});

it('an event that could not be stored is not a duplicate when the hub sends it again', async () => {
  let isBroken = true;
  const received: string[] = [];
  const subscriber = await startSubscriber(
    (event) => {
      if (isBroken) throws(new Error('not now'));
      received.push(event.text());
    },
    { delivery },
  );
  subscriber.store.faults = new Set(['set']);
  expect((await subscriber.publish('one')).status).toBe(503);
  isBroken = false;
  subscriber.store.faults = new Set();
  expect((await subscriber.publish('one')).status).toBe(202);
  expect(received).toEqual(['one']);
});

it('C5 each empty body is dispatched, because it reports new content', async () => {
  let pings = 0;
  const subscriber = await startSubscriber(() => void (pings += 1), { delivery });
  await subscriber.publish('');
  await subscriber.publish('');
  expect(pings).toBe(2);
});

it('C4 content with an unknown charset is deduplicated by its bytes', async () => {
  let runs = 0;
  const subscriber = await startSubscriber(() => void (runs += 1), { delivery: { dedupe: 'entries' } });
  const contentType = 'application/atom+xml; charset=no-such-charset';
  for (const body of ['one', 'one', 'two']) {
    const [delivery] = await subscriber.topic.publish(body, { contentType });
    expect(delivery?.status).toBe(202);
  }
  expect(runs).toBe(2);
});
