import { expect, it } from 'vitest';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { statsOf } from '../../kit/stats-of.js';
import { throws } from '../../kit/throws.js';
import { deferred } from '../../kit/deferred.js';

const delivery = { dedupe: 'body' } as const;

it('a duplicate is acknowledged and not dispatched within the window, also after a restart', async () => {
  const received: string[] = [];
  const set = await startSubscriber((event) => void received.push(event.text()), { delivery });
  await set.publish('one');
  expect((await set.publish('one')).status).toBe(202);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await set.runtime.stop();
  await set.startAgain();
  expect((await set.publish('one')).status).toBe(202);
  await set.publish('two');
  expect(received).toEqual(['one', 'two']);
  set.world.advance(DAY_MS);
  await set.publish('one');
  expect(received).toEqual(['one', 'two', 'one']);
});

it('a duplicate during the handler run gets the answer of the first', async () => {
  const gate = deferred();
  let runs = 0;
  const set = await startSubscriber(
    () => {
      runs += 1;
      return gate.promise;
    },
    { delivery },
  );
  const both = Promise.all([set.publish('one'), set.publish('one')]);
  await untilIdle();
  gate.resolve();
  expect((await both).map(({ status }) => status)).toEqual([202, 202]);
  expect(runs).toBe(1);
});

it('an event whose handler failed is not processed: it is retried, and its duplicate is not dispatched', async () => {
  const attempts: number[] = [];
  const set = await startSubscriber(
    ({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throws(new Error('not now'));
    },
    { delivery },
  );
  await set.publish('one');
  expect((await set.publish('one')).status).toBe(202);
  expect(attempts).toEqual([1]);
  for (let time = 0; time < 2; time += 1) {
    set.world.advance(5_000);
    await untilIdle();
  }
  expect(attempts).toEqual([1, 2, 3]);
  await set.publish('one');
  expect(attempts).toEqual([1, 2, 3]);
});

it('a duplicate of an event that waits for a retry is not dispatched after a restart', async () => {
  let runs = 0;
  const set = await startSubscriber(
    () => {
      runs += 1;
      throws(new Error('not now'));
    },
    { delivery },
  );
  await set.publish('one');
  await set.runtime.stop();
  await set.startAgain();
  const before = runs;
  expect((await set.publish('one')).status).toBe(202);
  expect(runs).toBe(before);
});

it('without dedupe, content received twice is dispatched twice', async () => {
  const received: string[] = [];
  const set = await startSubscriber((event) => void received.push(event.text()));
  await set.publish('one');
  await set.publish('one');
  expect(received).toEqual(['one', 'one']);
});

it('an event that could not be stored is new when it is sent again', async () => {
  let isBroken = true;
  const received: string[] = [];
  const set = await startSubscriber(
    (event) => {
      if (isBroken) throws(new Error('not now'));
      received.push(event.text());
    },
    { delivery },
  );
  set.store.faults = new Set(['set']);
  expect((await set.publish('one')).status).toBe(503);
  isBroken = false;
  set.store.faults = new Set();
  expect((await set.publish('one')).status).toBe(202);
  expect(received).toEqual(['one']);
});

it('C5 each empty body is dispatched, because it reports new content', async () => {
  let pings = 0;
  const set = await startSubscriber(() => void (pings += 1), { delivery });
  await set.publish('');
  await set.publish('');
  expect(pings).toBe(2);
});

it('C4 content that is not text is deduplicated by its bytes', async () => {
  let runs = 0;
  const set = await startSubscriber(() => void (runs += 1), { delivery: { dedupe: 'entries' } });
  const contentType = 'application/atom+xml; charset=no-such-charset';
  for (const body of ['one', 'one', 'two']) {
    const [delivery] = await set.topic.publish(body, { contentType });
    expect(delivery?.status).toBe(202);
  }
  expect(runs).toBe(2);
});
