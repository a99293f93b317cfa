import { createRequire } from 'node:module';
import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, startService } from '../../src/index.js';

test('a start ends before the packages are loaded that it does without, which follow by themselves', async () => {
  const { cache } = createRequire(import.meta.url);
  const isLoaded = (name: string): boolean =>
    Object.keys(cache).some((path) => path.includes(`/node_modules/${name}/`));
  const service = defineSubscriber({ name: 'News' }, { onEventNotification: () => {} });
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  onTestFinished(() => runtime.stop());
  expect(isLoaded('feedsmith')).toBe(false);
  await expect.poll(() => isLoaded('feedsmith')).toBe(true);
});
