import { execFile } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Keyv } from 'keyv';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import {
  defineSubscriber,
  startService,
  StoreError,
  type StartOptions,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { keyText, sealKey } from '../../store/sealing/seal-keys.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { FaultyStore } from '../../kit/faulty-store.js';
import { DAY_MS } from '../../kit/durations.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { TimeTravel } from '../../kit/time-travel.js';
import { unusedPort } from '../../kit/ports.js';
import { failureOf } from '../../kit/failure-of.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';

const SECRET = 'what the hub signs with';

const sealedWith = (...bytes: readonly number[]): StartOptions => ({ security: { sealKey: bytes.map(keyText) } });

/**
 * A service at a hub of PubSubHubbub 0.3. Its handler fails, so its events stay in the store. Their headers contain the
 * callback.
 */
async function setUp() {
  const logLines: string[] = [];
  const hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
  const topic = hub.topic('/feed');
  const directory = temporaryDirectory();
  const port = await unusedPort();
  const service = defineSubscriber(
    {
      name: 'Sealed',
      target: topic.url,
      protocol: 'pubsubhubbub-0.3',
      secret: SECRET,
      unsubscribeOnShutdown: false,
    },
    {
      onEventNotification() {
        throw new Error('not now');
      },
    },
  );
  const logger = pino({ level: 'trace' }, { write: (line) => void logLines.push(line) });
  const start = (options: StartOptions = {}): Promise<SubscriberRuntime> =>
    startService(service, { port, store: `lmdb://${directory}`, logger, handleSignals: false, ...options });
  return {
    hub,
    topic,
    directory,
    port,
    logLines,
    start,
    /** Subscribes, and stores an event. */
    subscribeAndStore: async (options: StartOptions = {}) => {
      const runtime = await start(options);
      await runtime.ready();
      const [{ callback = '' } = {}] = await runtime.subscriptions.find();
      await topic.publish('news', { headers: { 'x-original-uri': new URL(callback).pathname } });
      const snapshot = await runtime.subscriptions.find();
      await runtime.stop();
      const verifyToken = hub.requests.find(({ form }) => form.has('hub.verify_token'))?.form.get('hub.verify_token');
      const token = callback.slice(callback.lastIndexOf('/') + 1);
      expect([token.length, verifyToken?.length]).toEqual([43, 22]);
      return { snapshot, callback, secrets: [SECRET, token, verifyToken ?? ''] };
    },
    /** The texts among these that the store's file contains in plain. */
    findInFile: async (texts: readonly string[]): Promise<readonly string[]> => {
      const bytes = await readFile(join(directory, 'data.mdb'));
      return texts.filter((text) => bytes.includes(text));
    },
  };
}

const isSealingLine = (line: string): boolean => line.includes('"event":"sealing.completed"');

describe('the file of a new store', () => {
  it('contains no secret, callback token or verify token with a seal key, and is read at the next start', async () => {
    const { subscribeAndStore, start, findInFile, logLines, hub, topic } = await setUp();
    const { snapshot, callback, secrets } = await subscribeAndStore(sealedWith(1));
    expect(await findInFile(secrets)).toEqual([]);
    const runtime = await start(sealedWith(1));
    const [{ stats, ...subscription } = {}] = await runtime.subscriptions.find();
    expect(subscription).toMatchObject({ callback, state: 'active' });
    expect(stats?.received).toBe(1);
    const [delivery] = await topic.publish('more');
    expect(delivery?.status).toBe(202);
    await runtime.stop();
    expect(await findInFile(secrets)).toEqual([]);
    // The key is in no log line either.
    expect(logLines.length).toBeGreaterThan(5);
    const logText = `${logLines.join('')}${JSON.stringify(snapshot)}`;
    for (const text of [keyText(1), SECRET]) expect(logText).not.toContain(text);
    expect(logText).toContain(`"sealedWith":"${sealKey(1).id}"`);
    expect(logLines.some(isSealingLine)).toBe(false);
    await hub.close();
  });

  it('contains all three without a seal key, so that the previous test can fail', async () => {
    const { subscribeAndStore, findInFile, hub } = await setUp();
    const { secrets } = await subscribeAndStore();
    expect(await findInFile(secrets)).toEqual(secrets);
    await hub.close();
  });
});

describe('a store that was not sealed', () => {
  it('is sealed in the background, and a copy compacted as the README says contains no secret', async () => {
    const { subscribeAndStore, start, findInFile, directory, logLines, hub } = await setUp();
    const { secrets, callback } = await subscribeAndStore();
    vi.stubEnv('WEBSUB_SEAL_KEY', ` ${keyText(3)}, ${keyText(2)}`);
    const runtime = await start();
    vi.unstubAllEnvs();
    await until(() => logLines.some(isSealingLine));
    await runtime.stop();
    const line: unknown = JSON.parse(logLines.findLast(isSealingLine) ?? '');
    expect(line).toMatchObject({ level: 30, sealedWith: sealKey(3).id, subscriptions: 1, events: 1, unreadable: 0 });

    await compact(directory);
    expect(await findInFile(secrets)).toEqual([]);
    const restarted = await start(sealedWith(3));
    expect(await restarted.subscriptions.find()).toMatchObject([{ callback, state: 'active' }]);
    await restarted.stop();
    await hub.close();
  });

  it('keeps records that are written while it is being sealed', async () => {
    const rows = new FaultyStore();
    const travel = await TimeTravel.begin({ rows });
    const topics = Array.from({ length: 70 }, (_, index) => travel.hub.topic(`/${index}`));
    const { service, received } = recordingService({
      targets: topics.map(({ url }) => url),
      unsubscribeOnShutdown: false,
    });
    await travel.start(service);
    await travel.stop();
    await travel.start(service, sealedWith(1));
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(topics.map((topic) => topic.publish('news')));
      travel.world.runCron('*/10 * * * * *');
      await travel.runtime.renew((await travel.subscription(`/${round}`)).id);
    }
    const { id } = await travel.subscription('/69');
    await travel.runtime.unsubscribe(id);
    await until(() => travel.world.logged('sealing.completed').length > 0);
    await travel.settle();
    const subscriptions = await travel.runtime.subscriptions.find();
    await travel.start(service, sealedWith(1));
    expect(await travel.runtime.subscriptions.find()).toEqual(subscriptions);
    expect(received).toHaveLength(210);
    expect((await travel.subscription('/69')).state).toBe('unsubscribed');
    for (const key of rows.subscriptions) expect(String(rows.get(key))).not.toContain('"callback');
    expect(travel.world.logged('sealing.completed')).toHaveLength(1);
  });
});

describe('a seal key that is replaced', () => {
  it('opens its records while it is listed, and can be left out once all records are sealed again', async () => {
    const travel = await TimeTravel.begin({ rows: new FaultyStore() });
    const topic = travel.hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url, secret: SECRET, unsubscribeOnShutdown: false });
    await travel.start(service, sealedWith(1));
    await travel.start(service, sealedWith(2, 1));
    await until(() => travel.world.logged('sealing.completed').length > 0);
    await travel.start(service, sealedWith(2));
    await travel.advance(DAY_MS);
    await topic.publish('news');
    expect(received).toEqual(['news']);
    await travel.stop();
    await expect(travel.start(service, sealedWith(1))).rejects.toThrow(`needs the seal key ${sealKey(2).id}`);
  });
});

describe('a sealed store without its key', () => {
  it.each([
    ['no key', {}, 'no seal key is configured'],
    ['another key', sealedWith(2), `only other keys are configured (${sealKey(2).id})`],
  ])('is refused at the start with %s, and requests of hubs get 503', async (_, options, message) => {
    const { subscribeAndStore, start, hub, logLines } = await setUp();
    const { callback } = await subscribeAndStore(sealedWith(1));
    // The tunnel opens after the listener, and before the store is read.
    const statuses: Promise<number>[] = [];
    const sendRequest = async (init: RequestInit, query = ''): Promise<number> =>
      (await fetch(callback + query, init)).status;
    let requestCount = 0;
    const onRequest = (): void => void (requestCount += 1);
    const tunnel = async (url: string) => {
      subscribe('http.server.request.start', onRequest);
      statuses.push(
        sendRequest({ method: 'POST', body: 'news' }),
        sendRequest({}, '?hub.mode=subscribe&hub.topic=x&hub.challenge=y'),
      );
      await until(() => requestCount === 2);
      unsubscribe('http.server.request.start', onRequest);
      return { url, close() {} };
    };
    const failure = await failureOf(start({ ...options, tunnel }));
    expect(await Promise.all(statuses)).toEqual([503, 503]);
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure.message).toMatch(
      /^The store lmdb:\/\/\S+ is sealed: the record subscription \S+ needs the seal key/,
    );
    for (const part of [message, sealKey(1).id, 'security.sealKey', 'WEBSUB_SEAL_KEY']) {
      expect(failure.message).toContain(part);
    }
    // The store is unchanged: the right key opens it.
    const runtime = await start(sealedWith(1));
    expect(await runtime.subscriptions.find()).toMatchObject([{ callback, state: 'active', stats: { received: 1 } }]);
    expect(logLines.join('')).not.toContain('.unreadable"');
    await runtime.stop();
    await hub.close();
  });
});

describe('a sealed record that was tampered with', () => {
  it.each([
    [
      'edited',
      (row: string) => row.replace(/(\\"\$bytes\\":\\".{80})(.)/, (_, head, last) => head + (last === 'A' ? 'B' : 'A')),
    ],
    ['replaced by the row of another subscription', (_: string, otherRow: string) => otherRow],
  ])('L4 is logged and left as it is if it was %s, and the other subscription keeps working', async (_, change) => {
    const rows = new FaultyStore();
    const travel = await TimeTravel.begin({ rows });
    const [damagedTopic, intactTopic] = [travel.hub.topic('/spoilt'), travel.hub.topic('/sound')];
    const { service, received } = recordingService({ target: intactTopic.url, unsubscribeOnShutdown: false });
    await travel.start(service, sealedWith(1));
    const { id } = await travel.runtime.subscribe(service, { target: damagedTopic.url });
    await travel.settle();
    await travel.stop();
    const findKey = (matches: (key: string) => boolean): string => rows.subscriptions.find(matches) ?? '';
    const key = findKey((each) => each.endsWith(id));
    const row = change(String(rows.get(key)), String(rows.get(findKey((each) => !each.endsWith(id)))));
    expect(row).not.toBe(rows.get(key));
    rows.set(key, row);

    await travel.start(service, sealedWith(1));
    const [errorLine, ...furtherLines] = travel.world.logged('subscription.unreadable');
    expect(errorLine?.fields['err']).toBeInstanceOf(StoreError);
    expect(String(errorLine?.fields['err'])).toContain(`The sealed record subscription ${id} cannot be opened`);
    expect(furtherLines).toEqual([]);
    await travel.advance(20 * DAY_MS);
    await intactTopic.publish('news');
    expect(received).toEqual(['news']);
    expect(await travel.runtime.subscriptions.count()).toBe(1);
    expect(rows.get(key)).toBe(row);
  });
});

describe('a sealed event that was tampered with while the process runs', () => {
  it('C7 is logged and left out of the list of dead letters, and the other dead letter is listed', async () => {
    const world = new FakeWorld();
    const rows = new FaultyStore();
    const { runtime, publish } = await startSubscriber(
      () => {
        throw new Error('not now');
      },
      { world, delivery: { retryForSeconds: 0 }, options: { ...sealedWith(1), store: new Keyv({ store: rows }) } },
    );
    await publish('one');
    await publish('two');
    const [key = '', otherKey = ''] = [...rows.keys()].filter((each) => each.includes(':event:'));
    const listTexts = async (): Promise<readonly (string | undefined)[]> => {
      const texts: (string | undefined)[] = [];
      for await (const { event } of runtime.deadLetters) texts.push(event?.text());
      return texts;
    };
    await until(async () => (await listTexts()).length === 2);
    const row = String(rows.get(otherKey));
    rows.set(key, row);
    expect(await listTexts()).toHaveLength(1);
    expect(String(world.logged('dead-letter.unreadable')[0]?.fields['err'])).toMatch(
      /The sealed record event \S+ cannot be opened: .*another record/,
    );
    expect(rows.get(key)).toBe(row);
  });
});

/** Runs the commands of the README, in a directory next to the store. */
async function compact(directory: string): Promise<void> {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, script = ''] = /node -e "(require\('lmdb'\)[^"]*)"/.exec(readme) ?? [];
  expect(script).toContain('.websub-compact');
  const copy = `${directory}-compact`;
  await mkdir(copy);
  const command = script.replaceAll("'.websub'", `'${directory}'`).replaceAll("'.websub-compact'", `'${copy}'`);
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  await promisify(execFile)(process.execPath, ['-e', command], { cwd });
  await rename(join(copy, 'data.mdb'), join(directory, 'data.mdb'));
}
