import { createRequire } from 'node:module';
import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, discover, startService } from '../../src/index.js';

const { cache } = createRequire(import.meta.url);

/** Those of the packages that are loaded. */
const loadedOf = (...names: string[]): string[] =>
  names.filter((name) => Object.keys(cache).some((path) => path.includes(`/node_modules/${name}/`)));

test('a start loads no package that it does without: what answers strangers and asks hubs comes with the first of them', async () => {
  const service = defineSubscriber({ name: 'News' }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  onTestFinished(() => runtime.stop());
  const packages = ['undici', 'ofetch', 'h3', 'htmlparser2', 'feedsmith', 'lmdb', 'cron', 'pino'];
  expect(loadedOf(...packages)).toEqual([]);
  expect((await runtime.fetch(new Request(`${runtime.url}/nobody`))).status).toBe(404);
  expect(loadedOf(...packages)).toEqual(['h3']);
  await expect(discover('http://127.0.0.1:1/')).rejects.toThrow('could not be read');
  expect(loadedOf('undici', 'ofetch', 'feedsmith')).toEqual(['undici', 'ofetch']);
});
