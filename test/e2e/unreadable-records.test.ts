import { expect, it } from 'vitest';
import { StoreError } from 'websub-subscriber';
import { FailingRows } from '../kit/failing-rows.js';
import { DAY_MS } from '../kit/news-service.js';
import { Travel } from '../kit/time-travel.js';
import { failureOf, reader } from '../kit/world.js';

const EVERY_SWEEP = ['*/10 * * * * *', '0 * * * *', '*/10 * * * *', '0 3 * * *'];

/** Two subscriptions of the past: one to a target that is declared, and one that was asked for. */
async function twoStored() {
  const rows = new FailingRows();
  const travel = await Travel.begin({ rows });
  const [declared, dynamic] = [travel.hub.topic('/declared'), travel.hub.topic('/dynamic')];
  const { service, got } = reader({ target: declared.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  await travel.runtime.subscribe(service, { target: dynamic.url });
  await travel.settle();
  const { id, callback } = await travel.seen('/dynamic');
  const untouched = await travel.seen('/declared');
  await travel.stop();
  const key = rows.subscriptions.find((each) => each.endsWith(id)) ?? '';
  return { travel, rows, key, id, callback, untouched, declared, dynamic, service, got };
}

/** What Keyv writes: the record as text, in JSON again. */
const rowOf = (text: string): string => JSON.stringify({ value: text });

it.each([
  ['of a newer version', (row: string) => row.replace('\\"v\\":2,', '\\"v\\":99,'), /version 99, written by a newer/],
  ['of no version', (row: string) => row.replace('\\"v\\":2,', ''), /is corrupt: it is not a versioned record/],
  ['that is cut off', () => rowOf('{"v":2,"data":{"record":{"id":"'), /could not be read in a Keyv over FailingRows/],
  ['that is no record', () => rowOf('null'), /is corrupt: it is not a versioned record/],
  ['that is something else', () => rowOf('{"v":2,"data":{"stats":{}}}'), /does not hold a subscription/],
] as const)(
  'L4 a record %s is told of and left as it is, and the other subscriptions live on',
  async (_, spoil, message) => {
    const { travel, rows, key, id, callback, untouched, declared, dynamic, service, got } = await twoStored();
    const sound = String(rows.get(key));
    const spoilt = spoil(sound);
    expect(spoilt).not.toBe(sound);
    rows.set(key, spoilt);

    await travel.start(service);
    const told = travel.world.logged('a stored subscription cannot be read: left as it is');
    expect(told).toMatchObject([{ level: 'error', fields: { err: { message: expect.stringMatching(message) } } }]);
    expect(told[0]?.fields['err']).toBeInstanceOf(StoreError);
    expect(told[0]?.fields['err']).toMatchObject({ message: expect.stringContaining(id) });
    expect(await travel.runtime.subscriptions.find()).toEqual([untouched]);
    expect(travel.asked('/declared')).toHaveLength(1);
    expect((await dynamic.publish('to what cannot be read'))[0]?.status).toBe(404);
    await declared.publish('news');
    await travel.pass(30 * DAY_MS);
    for (const sweep of EVERY_SWEEP) travel.world.turn(sweep);
    await travel.settle();
    await declared.publish('more');
    expect(got).toEqual(['news', 'more']);
    expect(await travel.seen('/declared')).toMatchObject({ state: 'active', callback: untouched.callback });
    expect(rows.get(key)).toBe(spoilt);

    // Repaired, it goes on where it was.
    await travel.stop();
    rows.set(key, sound);
    await travel.start(service);
    expect(await travel.seen('/dynamic')).toMatchObject({ id, callback, state: 'active' });
    await dynamic.publish('after the repair');
    expect(got).toEqual(['news', 'more', 'after the repair']);
  },
);

it('L4 a store that cannot be read is told of by the start, and nothing in it is lost', async () => {
  const { travel, rows, key, untouched, declared, service, got } = await twoStored();
  rows.fails = (operation) => operation === 'get';
  const failure = await failureOf(travel.start(service));
  expect(failure).toBeInstanceOf(StoreError);
  expect(failure.message).toMatch(/out of order: get/);
  rows.fails = () => false;
  await travel.start(service);
  expect(await travel.seen('/declared')).toEqual(untouched);
  expect(rows.subscriptions).toContain(key);
  await declared.publish('news');
  expect(got).toEqual(['news']);
});

it('L4 a declared target whose record cannot be read is subscribed to all the same', async () => {
  const { travel, rows, untouched, declared, service, got } = await twoStored();
  const key = rows.subscriptions.find((each) => each.endsWith(untouched.id)) ?? '';
  const spoilt = String(rows.get(key)).replace('\\"v\\":2,', '\\"v\\":99,');
  rows.set(key, spoilt);
  await travel.start(service);
  const { id, state, callback } = await travel.seen('/declared');
  expect({ state, isNew: id !== untouched.id && callback !== untouched.callback }).toEqual({
    state: 'active',
    isNew: true,
  });
  await declared.publish('news');
  expect(got).toEqual(['news']);
  expect(rows.get(key)).toBe(spoilt);
});
