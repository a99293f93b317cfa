import { expect, it } from 'vitest';
import { StoreError } from 'websub-subscriber';
import { FaultyStore } from '../../kit/faulty-store.js';
import { DAY_MS } from '../../kit/durations.js';
import { TimeTravel } from '../../kit/time-travel.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';

const EVERY_SWEEP = ['*/10 * * * * *', '0 * * * *', '*/10 * * * *', '0 3 * * *'];

/** Two stored subscriptions: one to a declared target, and a dynamic one. */
async function twoStoredSubscriptions() {
  const rows = new FaultyStore();
  const travel = await TimeTravel.begin({ rows });
  const [declared, dynamic] = [travel.hub.topic('/declared'), travel.hub.topic('/dynamic')];
  const { service, received } = recordingService({ target: declared.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  await travel.runtime.subscribe(service, { target: dynamic.url });
  await travel.settle();
  const { id, callback } = await travel.subscription('/dynamic');
  const declaredSubscription = await travel.subscription('/declared');
  await travel.stop();
  const dynamicKey = rows.subscriptions.find((each) => each.endsWith(id)) ?? '';
  return { travel, rows, dynamicKey, id, callback, declaredSubscription, declared, dynamic, service, received };
}

/** A row as Keyv writes it: the record as text, in JSON again. */
const rowOf = (text: string): string => JSON.stringify({ value: text });

it.each([
  ['of a newer version', (row: string) => row.replace('\\"v\\":2,', '\\"v\\":99,'), /has version 99;/],
  ['without a version', (row: string) => row.replace('\\"v\\":2,', ''), /is corrupt: it has no valid version/],
  ['that is cut off', () => rowOf('{"v":2,"data":{"record":{"id":"'), /could not be read in a Keyv over FaultyStore/],
  ['that is null', () => rowOf('null'), /is corrupt: it has no valid version/],
  ['that holds no subscription', () => rowOf('{"v":2,"data":{"stats":{}}}'), /does not contain a valid subscription/],
] as const)(
  'L4 a record %s is logged and stays unchanged, and the other subscription keeps working',
  async (_, corrupt, message) => {
    const { travel, rows, dynamicKey, id, callback, declaredSubscription, declared, dynamic, service, received } =
      await twoStoredSubscriptions();
    const intactRow = String(rows.get(dynamicKey));
    const corruptRow = corrupt(intactRow);
    expect(corruptRow).not.toBe(intactRow);
    rows.set(dynamicKey, corruptRow);

    await travel.start(service);
    const lines = travel.world.logged('subscription.unreadable');
    expect(lines).toMatchObject([{ level: 'error', fields: { err: { message: expect.stringMatching(message) } } }]);
    expect(lines[0]?.fields['err']).toBeInstanceOf(StoreError);
    expect(lines[0]?.fields['err']).toMatchObject({ message: expect.stringContaining(id) });
    expect(await travel.runtime.subscriptions.find()).toEqual([declaredSubscription]);
    expect(travel.requestTimes('/declared')).toHaveLength(1);
    expect((await dynamic.publish('to what cannot be read'))[0]?.status).toBe(404);
    await declared.publish('news');
    await travel.advance(30 * DAY_MS);
    for (const sweep of EVERY_SWEEP) travel.world.runCron(sweep);
    await travel.settle();
    await declared.publish('more');
    expect(received).toEqual(['news', 'more']);
    expect(await travel.subscription('/declared')).toMatchObject({
      state: 'active',
      callback: declaredSubscription.callback,
    });
    expect(rows.get(dynamicKey)).toBe(corruptRow);

    // Once repaired, the subscription continues.
    await travel.stop();
    rows.set(dynamicKey, intactRow);
    await travel.start(service);
    expect(await travel.subscription('/dynamic')).toMatchObject({ id, callback, state: 'active' });
    await dynamic.publish('after the repair');
    expect(received).toEqual(['news', 'more', 'after the repair']);
  },
);

it('L4 a start rejects if the store cannot be read, and loses no record', async () => {
  const { travel, rows, dynamicKey, declaredSubscription, declared, service, received } =
    await twoStoredSubscriptions();
  rows.fails = (operation) => operation === 'get';
  const failure = await failureOf(travel.start(service));
  expect(failure).toBeInstanceOf(StoreError);
  expect(failure.message).toMatch(/out of order: get/);
  rows.fails = () => false;
  await travel.start(service);
  expect(await travel.subscription('/declared')).toEqual(declaredSubscription);
  expect(rows.subscriptions).toContain(dynamicKey);
  await declared.publish('news');
  expect(received).toEqual(['news']);
});

it('L4 a declared target with an unreadable record gets a new subscription', async () => {
  const { travel, rows, declaredSubscription, declared, service, received } = await twoStoredSubscriptions();
  const declaredKey = rows.subscriptions.find((each) => each.endsWith(declaredSubscription.id)) ?? '';
  const corruptRow = String(rows.get(declaredKey)).replace('\\"v\\":2,', '\\"v\\":99,');
  rows.set(declaredKey, corruptRow);
  await travel.start(service);
  const { id, state, callback } = await travel.subscription('/declared');
  expect({ state, isNew: id !== declaredSubscription.id && callback !== declaredSubscription.callback }).toEqual({
    state: 'active',
    isNew: true,
  });
  await declared.publish('news');
  expect(received).toEqual(['news']);
  expect(rows.get(declaredKey)).toBe(corruptRow);
});
