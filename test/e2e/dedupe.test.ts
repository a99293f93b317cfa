import { expect, it } from 'vitest';
import { DAY_MS, quiet, setUp, statsOf, throws } from '../kit/news-service.js';
import { deferred } from '../kit/fake-world.js';

const delivery = { dedupe: 'body' } as const;

it('news that comes again is acknowledged and not handed over again, also after a restart, for as long as it is told', async () => {
  const got: string[] = [];
  const set = await setUp((event) => void got.push(event.text()), { delivery });
  await set.publish('one');
  expect((await set.publish('one')).status).toBe(202);
  expect(await statsOf(set.runtime)).toMatchObject({ received: 1, delivered: 1, duplicates: 1 });
  await set.runtime.stop();
  await set.startAgain();
  expect((await set.publish('one')).status).toBe(202);
  await set.publish('two');
  expect(got).toEqual(['one', 'two']);
  set.world.pass(DAY_MS);
  await set.publish('one');
  expect(got).toEqual(['one', 'two', 'one']);
});

it('news that comes again while its handler is at work gets the answer of the first', async () => {
  const turn = deferred();
  let runs = 0;
  const set = await setUp(
    () => {
      runs += 1;
      return turn.promise;
    },
    { delivery },
  );
  const both = Promise.all([set.publish('one'), set.publish('one')]);
  await quiet();
  turn.resolve();
  expect((await both).map(({ status }) => status)).toEqual([202, 202]);
  expect(runs).toBe(1);
});

it('news whose handler failed is not seen: it is tried again, and not handed over beside that', async () => {
  const attempts: number[] = [];
  const set = await setUp(
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
    set.world.pass(5_000);
    await quiet();
  }
  expect(attempts).toEqual([1, 2, 3]);
  await set.publish('one');
  expect(attempts).toEqual([1, 2, 3]);
});

it('news whose handler failed is not handed over a second time after a restart while it waits for its next try', async () => {
  let runs = 0;
  const set = await setUp(
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

it('without it, what comes twice is handed over twice', async () => {
  const got: string[] = [];
  const set = await setUp((event) => void got.push(event.text()));
  await set.publish('one');
  await set.publish('one');
  expect(got).toEqual(['one', 'one']);
});

it('news that could not be kept is news when it comes again', async () => {
  let isBroken = true;
  const got: string[] = [];
  const set = await setUp(
    (event) => {
      if (isBroken) throws(new Error('not now'));
      got.push(event.text());
    },
    { delivery },
  );
  set.store.faults = new Set(['set']);
  expect((await set.publish('one')).status).toBe(503);
  isBroken = false;
  set.store.faults = new Set();
  expect((await set.publish('one')).status).toBe(202);
  expect(got).toEqual(['one']);
});

it('C5 an empty body says each time that there is news', async () => {
  let pings = 0;
  const set = await setUp(() => void (pings += 1), { delivery });
  await set.publish('');
  await set.publish('');
  expect(pings).toBe(2);
});

it('C4 what is no text is told from other news by its bytes', async () => {
  let runs = 0;
  const set = await setUp(() => void (runs += 1), { delivery: { dedupe: 'entries' } });
  const contentType = 'application/atom+xml; charset=no-such-charset';
  for (const body of ['one', 'one', 'two']) {
    const [delivery] = await set.topic.publish(body, { contentType });
    expect(delivery?.status).toBe(202);
  }
  expect(runs).toBe(2);
});
