import { expect, it } from 'vitest';
import { StoreError } from 'websub-subscriber';
import { FaultyStore } from '../../kit/faulty-store.js';
import { DAY_MS } from '../../kit/durations.js';
import { TimeTravel } from '../../kit/time-travel.js';
import { recordingService } from '../../kit/recording-service.js';

type Fields = Readonly<Record<string, unknown>>;

/** Replaces fields of a record or of its first grant. `undefined` removes a field. */
const withChanges = (text: string, { record = {}, grant }: { record?: Fields; grant?: Fields | null }): string => {
  const { v, data } = JSON.parse(text);
  const grants: unknown[] = grant === null ? [null] : [{ ...data.record.grants[0], ...grant }];
  return JSON.stringify({ v, data: { ...data, record: { ...data.record, grants, ...record } } });
};

it.each([
  ['a grant that is null', { grant: null }],
  ['a grant without a callback', { grant: { callback: undefined } }],
  ['a callback that is no URL', { grant: { callback: 'nowhere' } }],
  ['a grant without secrets', { grant: { secrets: undefined } }],
  ['a grant without a state', { grant: { state: undefined } }],
  ['invalid times', { grant: { renewsAt: 'soon', expiresAt: 'later' } }],
  ['no target', { record: { target: undefined } }],
  ['an invalid time of the first verification', { record: { firstVerifiedAt: 'once' } }],
  ['no hubs', { record: { hubs: undefined } }],
  ['no desired state', { record: { desired: undefined } }],
  ['another id', { record: { id: 'another' } }],
])('L4 a record with %s is logged and stays unchanged, and the other subscription keeps working', async (_, change) => {
  const rows = new FaultyStore();
  const travel = await TimeTravel.begin({ rows });
  const [damagedTopic, intactTopic] = [travel.hub.topic('/spoilt'), travel.hub.topic('/sound')];
  const { service, received } = recordingService({ target: intactTopic.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  const { id } = await travel.runtime.subscribe(service, { target: damagedTopic.url });
  await travel.settle();
  await travel.stop();
  const key = rows.subscriptions.find((each) => each.endsWith(id)) ?? '';
  const row = JSON.stringify({ value: withChanges(JSON.parse(String(rows.get(key))).value, change) });
  rows.set(key, row);

  await travel.start(service);
  const [errorLine] = travel.world.logged('subscription.unreadable');
  expect(errorLine?.fields['err']).toBeInstanceOf(StoreError);
  expect(errorLine?.fields['err']).toMatchObject({ message: expect.stringContaining(id) });
  await travel.advance(20 * DAY_MS);
  await intactTopic.publish('news');
  expect(received).toEqual(['news']);
  expect(await travel.runtime.subscriptions.count()).toBe(1);
  expect(rows.get(key)).toBe(row);
});

it('a declared target has one subscription once its unreadable record is readable again', async () => {
  const rows = new FaultyStore();
  const travel = await TimeTravel.begin({ rows });
  const topic = travel.hub.topic('/feed');
  const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  const { id: oldId } = await travel.subscription();
  await travel.stop();
  const [key = ''] = rows.subscriptions;
  const row = String(rows.get(key));
  rows.set(key, row.replace('\\"v\\":2,', '\\"v\\":99,'));
  await travel.start(service);
  const [errorLine] = travel.world.logged('subscription.unreadable');
  expect(errorLine?.fields['err']).toMatchObject({ message: expect.stringContaining('has version 99') });
  await travel.stop();
  expect(rows.subscriptions).toHaveLength(2);
  rows.set(key, row);
  await travel.start(service);
  expect(travel.world.logged('declared.orphaned')).toEqual([]);
  await travel.advance(DAY_MS);
  expect((await travel.runtime.subscriptions.find({ state: 'active' })).map(({ id }) => id)).toEqual([oldId]);
  expect(travel.hub.subscriptions.map(({ state }) => state)).toEqual(['active', 'unsubscribed']);
  await topic.publish('news');
  expect(received).toEqual(['news']);
});
