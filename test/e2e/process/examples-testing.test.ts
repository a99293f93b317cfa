import { expect, it } from 'vitest';
import { runExample } from '../../kit/example-process.js';
import { EXAMPLE_LIMIT_MS } from '../../kit/example-steps.js';
import { unusedPort } from '../../kit/ports.js';

it(
  'the tests of testing.ts pass with node:test',
  async () => {
    await using example = runExample('testing', { node: ['--test'] });
    expect(await example.ended).toEqual({ code: 0, signal: null });
    expect(example.output()).toMatch(/pass 2\b/);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'local-hub.ts publishes each line as an entry to the quick-start program',
  async () => {
    const port = await unusedPort();
    await using hub = runExample('local-hub', { env: { HUB_PORT: String(port) }, hasInput: true });
    const feed = `http://127.0.0.1:${port}/feed`;
    await hub.printed(`FEED=${feed}`);
    hub.type('Too early');
    await hub.printed('no subscriber yet');
    await using service = runExample('quick-start', { env: { FEED: feed } });
    await service.printed('subscription.verified');
    hub.type('The first');
    await service.printed(`new The first ${feed}/2`);
    await hub.printed('the callback answered 202');
    expect(service.output()).not.toContain('Too early');
  },
  EXAMPLE_LIMIT_MS,
);
