import { expect, it, onTestFinished } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { runExample } from '../../kit/example-process.js';
import {
  EXAMPLE_LIMIT_MS,
  expectCleanEnd,
  feedTopic,
  FIRST_ENTRY,
  publishEntries,
  subscriptionOf,
} from '../../kit/example-steps.js';
import { startHttpServer } from '../../kit/http-server.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

/** An API that answers with the given statuses, then with 201. */
async function startApi(statuses: number[]): Promise<string> {
  const server = await startHttpServer((_request, response) => {
    response.writeHead(statuses.shift() ?? 201).end();
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.url;
}

it(
  'errors.ts retries a failed event, makes hopeless ones dead letters, and replays them',
  async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/orders', { contentType: 'application/json' });
    const store = `lmdb://${temporaryDirectory()}`;
    const env = { FEED: topic.url, WEBSUB_STORE: store, ORDERS_API: await startApi([503, 201, 422]) };
    await using example = runExample('errors', { env });
    await subscriptionOf(example, hub);
    const statusOf = async (body: string): Promise<number | undefined> => (await topic.publish(body))[0]?.status;
    expect(await statusOf('{"id":1,"total":20}')).toBe(202);
    await example.printed('order 1 is stored, attempt 2');
    expect(await statusOf('{"id":2,"total":-5}')).toBe(202);
    await example.printed(/dead letter [\w-]+: order 2 is invalid/);
    expect(await statusOf('{"id":"three"}')).toBe(202);
    await example.printed(/dead letter [\w-]+: .*\bid\b/);
    await expectCleanEnd(example, hub);

    await using laterExample = runExample('errors', { env, args: ['--replay'] });
    await laterExample.printed('order 2 is stored, attempt');
    await laterExample.printed(/dead letter [\w-]+: .*\bid\b/);
    await hub.verified(topic);
    await expectCleanEnd(laterExample, hub);
    expect(laterExample.output().match(/dead letter [\w-]+:/g)).toHaveLength(1);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'duplicates.ts prints an entry once, and again when it is updated',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    await using example = runExample('duplicates', { env: { FEED: topic.url } });
    await subscriptionOf(example, hub);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed('new: The first (urn:1)');
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    expect(await publishEntries(topic, { id: 'urn:2', title: 'The second' }, FIRST_ENTRY)).toEqual([202]);
    await example.printed('new: The second (urn:2)');
    expect(await publishEntries(topic, { ...FIRST_ENTRY, title: 'The first, corrected' })).toEqual([202]);
    await example.printed('updated: The first, corrected (urn:1)');
    expect(example.output().match(/\(urn:\d\)/g)).toEqual(['(urn:1)', '(urn:2)', '(urn:1)']);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'catch-up.ts finds entries that the hub did not deliver, by polling and after a restart',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    const env = { FEED: topic.url, WEBSUB_STORE: `lmdb://${temporaryDirectory()}`, POLL_SECONDS: '1' };
    await using example = runExample('catch-up', { env });
    await subscriptionOf(example, hub);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed('new: The first, found by hub');
    topic.configure({ silent: true });
    expect(await publishEntries(topic, { id: 'urn:2', title: 'The second' })).toEqual([]);
    await example.printed('new: The second, found by poll');
    await expectCleanEnd(example, hub);

    expect(await publishEntries(topic, { id: 'urn:3', title: 'The third' })).toEqual([]);
    await using laterExample = runExample('catch-up', { env: { ...env, POLL_SECONDS: '3600' } });
    await laterExample.printed('new: The third, found by catch-up');
    await expectCleanEnd(laterExample, hub);
  },
  EXAMPLE_LIMIT_MS,
);
