import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { runExample, runFile } from '../../kit/example-process.js';
import {
  EXAMPLE_LIMIT_MS,
  expectCleanEnd,
  feedTopic,
  FIRST_ENTRY,
  FIRST_ENTRY_LINE,
  publishEntries,
  subscriptionOf,
} from '../../kit/example-steps.js';
import { installPackage } from '../../kit/installed-package.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

it(
  'quick-start.ts receives the entries of a feed with a decorated class',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    await using example = runExample('quick-start', { env: { FEED: topic.url } });
    await subscriptionOf(example, hub);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed(FIRST_ENTRY_LINE);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'quick-start.mjs receives the entries of a feed with the installed package, and without options of Node.js',
  async () => {
    const folder = temporaryDirectory();
    await installPackage(folder);
    await copyFile('examples/quick-start.mjs', join(folder, 'quick-start.mjs'));
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    await using example = runFile('quick-start.mjs', { cwd: folder, env: { FEED: topic.url } });
    await subscriptionOf(example, hub);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed(FIRST_ENTRY_LINE);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'injection.ts constructs the service with an object of the application and the logger',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    await using example = runExample('injection', { env: { FEED: topic.url } });
    await subscriptionOf(example, hub);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed(/"id":"urn:1","count":1,.*"msg":"entry archived"/);
    expect(await publishEntries(topic, { id: 'urn:2' })).toEqual([202]);
    await example.printed(/"id":"urn:2","count":2,.*"msg":"entry archived"/);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);
