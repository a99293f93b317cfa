import { expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { runExample } from '../../kit/example-process.js';
import { EXAMPLE_LIMIT_MS, expectCleanEnd, subscriptionOf } from '../../kit/example-steps.js';
import { unusedPort } from '../../kit/ports.js';

it.each(['express', 'hono', 'h3'])(
  '%s.ts answers callbacks and the requests of the application on one port',
  async (name) => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const port = await unusedPort();
    await using example = runExample(name, {
      env: { FEED: topic.url, PORT: String(port), WEBSUB_PUBLIC_URL: `http://localhost:${port}` },
    });
    await subscriptionOf(example, hub);
    const body = '{ "title": "The first" }';
    const [delivery] = await topic.publish(body, { contentType: 'application/json' });
    expect(delivery?.status).toBe(202);
    await example.printed(body);
    const otherResponse = await fetch(`http://localhost:${port}/`);
    expect(await otherResponse.text()).toBe('The rest of the application');
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);
