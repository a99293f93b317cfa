import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { StartOptions } from '../../../src/index.js';

const { cache } = createRequire(import.meta.url);

/** The packages among these that are loaded. */
const loadedOf = (...names: string[]): string[] =>
  names.filter((name) => Object.keys(cache).some((path) => path.includes(`/node_modules/${name}/`)));

const NEEDED = ['undici', 'ofetch', 'ipaddr.js', 'cron', 'htmlparser2', 'feedsmith'];
const NOT_NEEDED = ['lmdb', 'pino'];

// Each test imports the library anew and starts without loaded packages.
beforeEach(() => {
  vi.resetModules();
  for (const path of Object.keys(cache)) Reflect.deleteProperty(cache, path);
});

test('a start loads no package before onStart, and all needed packages but no others before it resolves', async () => {
  const { defineSubscriber, startService } = await import('../../../src/index.js');
  let loadedAtStart: string[] = [];
  const observedService = defineSubscriber(
    { name: 'Early' },
    {
      onEventNotification: () => {},
      onStart: () => {
        loadedAtStart = loadedOf(...NEEDED, ...NOT_NEEDED);
      },
    },
  );
  const runtime = await startService(observedService, { port: 0, store: 'memory', logger: false });
  onTestFinished(() => runtime.stop());
  expect(loadedAtStart).toEqual([]);
  expect(loadedOf(...NEEDED, ...NOT_NEEDED)).toEqual(NEEDED);
  const loadedCount = Object.keys(cache).length;
  expect((await fetch(`${runtime.url}/nobody`)).status).toBe(404);
  expect((await runtime.fetch(new Request(`${runtime.url}/nobody`))).status).toBe(404);
  expect(Object.keys(cache)).toHaveLength(loadedCount);
});

test.each<[string, StartOptions]>([
  ['manual', { manual: true, publicUrl: 'http://localhost:1' }],
  ['server', { server: createServer(), publicUrl: 'http://localhost:1' }],
])('all needed packages are loaded after a start with the option `%s`', async (_option, options) => {
  const { defineSubscriber, startService } = await import('../../../src/index.js');
  expect(loadedOf(...NEEDED)).toEqual([]);
  const service = defineSubscriber({ name: 'News' }, { onEventNotification: () => {} });
  const runtime = await startService(service, { ...options, store: 'memory', logger: false });
  onTestFinished(() => runtime.stop());
  expect(loadedOf(...NEEDED)).toEqual(NEEDED);
});
