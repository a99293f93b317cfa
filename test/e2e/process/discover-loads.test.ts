import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { discover } from '../../../src/index.js';

const { cache } = createRequire(import.meta.url);

/** Those of the named packages that are already loaded. */
const loadedOf = (...names: string[]): string[] =>
  names.filter((name) => Object.keys(cache).some((path) => path.includes(`/node_modules/${name}/`)));

test('the function discover() loads only the packages it needs, when it is called', async () => {
  const packages = ['undici', 'ofetch', 'htmlparser2', 'feedsmith', 'cron', 'lmdb', 'pino'];
  expect(loadedOf(...packages)).toEqual([]);
  await expect(discover('http://127.0.0.1:1/')).rejects.toMatchObject({
    code: 'ERR_WEBSUB_DISCOVERY',
    reason: 'unreachable',
  });
  expect(loadedOf(...packages)).toEqual(['undici', 'ofetch']);
});
