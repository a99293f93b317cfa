import { copyFile, cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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
import { unusedPort } from '../../kit/ports.js';
import { startReverseProxy } from '../../kit/reverse-proxy.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

it(
  'proxy.ts is reached through a reverse proxy that strips the path of its public URL',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    const port = await unusedPort();
    const proxy = await startReverseProxy('/hooks', port);
    await using example = runExample('proxy', {
      env: { FEED: topic.url, PORT: String(port), WEBSUB_PUBLIC_URL: proxy.url },
    });
    const { callback } = await subscriptionOf(example, hub);
    expect(callback).toMatch(new RegExp(`^${proxy.url}/websub/[\\w-]{43}$`));
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed(FIRST_ENTRY_LINE);
    expect(proxy.forwardedPaths.at(-1)).toBe(new URL(callback).pathname.replace('/hooks', ''));
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

/** Copies an example into an application with a stand-in for @ngrok/ngrok. Returns the application's folder. */
async function applicationWithNgrok(example: string): Promise<string> {
  const folder = temporaryDirectory();
  await copyFile(`examples/${example}`, join(folder, example));
  await cp('test/fixtures/ngrok', join(folder, 'node_modules/@ngrok/ngrok'), { recursive: true });
  const compilerOptions = { paths: { 'websub-subscriber': [resolve('src/index.ts')] } };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: [example] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  return folder;
}

it(
  'tunnel.ts opens a tunnel, is reached through it, and closes it after the hub has verified the end',
  async () => {
    await using hub = await TestHub.start();
    const topic = feedTopic(hub);
    const cwd = await applicationWithNgrok('tunnel.ts');
    await using example = runFile('tunnel.ts', {
      cwd,
      node: ['--import', resolve('node_modules/@oxc-node/core/register.mjs')],
      env: { FEED: topic.url, NGROK_AUTHTOKEN: 'token' },
    });
    const { callback } = await subscriptionOf(example, hub);
    await example.printed(`Hubs reach this service at ${new URL(callback).origin}`);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed(FIRST_ENTRY_LINE);
    await expectCleanEnd(example, hub);
    expect(hub.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed']);
    expect(example.output()).toContain('The tunnel is closed.');
  },
  EXAMPLE_LIMIT_MS,
);
