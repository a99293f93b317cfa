import { expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { runExample } from '../../kit/example-process.js';
import {
  EXAMPLE_LIMIT_MS,
  feedTopic,
  FIRST_ENTRY,
  FIRST_ENTRY_LINE,
  publishEntries,
  subscriptionOf,
} from '../../kit/example-steps.js';
import { unusedPort } from '../../kit/ports.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

it(
  'deploy.ts keeps its subscription at SIGTERM, and a waiting process receives under the same callback',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    const port = String(await unusedPort());
    const env = { FEED: topic.url, PORT: port, WEBSUB_STORE: `lmdb://${temporaryDirectory()}` };
    await using oldProcess = runExample('deploy', { env });
    const { callback } = await subscriptionOf(oldProcess, hub);
    await oldProcess.printed(/^ready$/m);

    await using newProcess = runExample('deploy', { env });
    await newProcess.printed('"event":"store.waiting"');
    expect(newProcess.output()).not.toMatch(/^ready$/m);
    oldProcess.kill('SIGTERM');
    expect(await oldProcess.ended).toEqual({ code: null, signal: 'SIGTERM' });
    await newProcess.printed(/^ready$/m);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await newProcess.printed(FIRST_ENTRY_LINE);
    newProcess.kill('SIGTERM');
    await newProcess.ended;

    expect(await publishEntries(topic, { id: 'urn:2', title: 'The second', url: 'https://blog.test/2' })).toEqual([
      undefined,
    ]);
    await using nextProcess = runExample('deploy', { env });
    await nextProcess.printed('new The second https://blog.test/2');
    nextProcess.kill('SIGTERM');
    await nextProcess.ended;
    expect(hub.subscriptions).toEqual([expect.objectContaining({ callback, state: 'active' })]);
    expect(hub.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
    expect(hub.violations).toEqual([]);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'deploy.ts ends with exit code 1 and the reason if its subscription is not verified in time',
  async () => {
    await using hub = await TestHub.start({ deny: 'not for you' });
    const topic = feedTopic(hub);
    await using example = runExample('deploy', { env: { FEED: topic.url } });
    expect(await example.ended).toEqual({ code: 1, signal: null });
    expect(example.output()).toContain('not for you');
    expect(example.output()).not.toMatch(/^ready$/m);
  },
  EXAMPLE_LIMIT_MS,
);
