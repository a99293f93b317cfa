import { expect, it } from 'vitest';
import { TestHub, type HubSubscription } from 'websub-subscriber/testing';
import { runExample, type ExampleProcess } from '../../kit/example-process.js';
import { unusedPort } from '../../kit/ports.js';

const LIMIT_MS = 60_000;

/** Resolves with the example's subscription; rejects at once if the example ends. */
async function subscriptionOf(example: ExampleProcess, hub: TestHub): Promise<HubSubscription> {
  const endedEarly = example.ended.then(({ code }) => {
    throw new Error(`The example ended with ${code}:\n${example.output()}`);
  });
  return Promise.race([hub.verified(undefined, { timeoutMs: 30_000 }), endedEarly]);
}

/** Ctrl-C unsubscribes at the hub, without violations, and the signal ends the process. */
async function expectCleanEnd(example: ExampleProcess, hub: TestHub): Promise<void> {
  example.interrupt();
  await hub.unsubscribed();
  expect(await example.ended).toEqual({ code: null, signal: 'SIGINT' });
  expect(hub.violations).toEqual([]);
}

it(
  'the quick-start example receives events with a decorated class and startService',
  async () => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    await using example = runExample('quick-start', { env: { FEED: topic.url } });
    await subscriptionOf(example, hub);
    const [delivery] = await topic.publish('the news');
    expect(delivery?.status).toBe(202);
    await example.printed('the news');
    await expectCleanEnd(example, hub);
  },
  LIMIT_MS,
);

it.each(['express', 'hono'])(
  'the %s example answers callbacks and the requests of the application on one port',
  async (name) => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const port = await unusedPort();
    await using example = runExample(name, { env: { FEED: topic.url, PORT: String(port) } });
    await subscriptionOf(example, hub);
    const [delivery] = await topic.publish('{"title":"the news"}', { contentType: 'application/json' });
    expect(delivery?.status).toBe(202);
    await example.printed('{"title":"the news"}');
    const otherResponse = await fetch(`http://localhost:${port}/`);
    expect(await otherResponse.text()).toBe('The rest of the application');
    await expectCleanEnd(example, hub);
  },
  LIMIT_MS,
);

it(
  'the youtube example subscribes to a topic at a known hub, and prints a new video with its URL',
  async () => {
    await using hub = await TestHub.start();
    await using example = runExample('youtube', { env: { HUB: hub.url, CHANNEL: 'UC123' } });
    const { topic } = await subscriptionOf(example, hub);
    expect(topic).toBe('https://www.youtube.com/feeds/videos.xml?channel_id=UC123');
    const video =
      '<entry><id>yt:video:abc-DEF_1</id><yt:videoId>abc-DEF_1</yt:videoId><title>A video</title>' +
      '<link rel="alternate" href="https://www.youtube.com/watch?v=abc-DEF_1"/></entry>';
    const namespaces = 'xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015"';
    await hub.distribute(topic, `<feed ${namespaces}>${video}</feed>`, { contentType: 'application/atom+xml' });
    await example.printed('new: abc-DEF_1 A video https://www.youtube.com/watch?v=abc-DEF_1');
    await expectCleanEnd(example, hub);
  },
  LIMIT_MS,
);

it(
  'the pubsubhubbub-03 example sends hub.verify and credentials, and receives content signed with sha1',
  async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const topic = hub.topic('/feed', { discovery: 'none' });
    await using example = runExample('pubsubhubbub-03', {
      env: { FEED: topic.url, HUB: hub.url, HUB_USER: 'ann', HUB_PASSWORD: 'sesame' },
    });
    await subscriptionOf(example, hub);
    const subscribeRequest = hub.requests.find(({ method }) => method === 'POST');
    expect(subscribeRequest?.form.getAll('hub.verify')).toEqual(['async', 'sync']);
    expect(subscribeRequest?.headers.get('authorization')).toBe(
      `Basic ${Buffer.from('ann:sesame').toString('base64')}`,
    );
    const [delivery] = await topic.publish('the news');
    expect(delivery?.sent.headers['x-hub-signature']).toMatch(/^sha1=/);
    expect(delivery?.status).toBe(202);
    await example.printed('the news');
    await expectCleanEnd(example, hub);
  },
  LIMIT_MS,
);

it(
  'the tests of the testing example pass',
  async () => {
    await using example = runExample('testing', { node: ['--test'] });
    expect(await example.ended).toEqual({ code: 0, signal: null });
    expect(example.output()).toMatch(/pass 2\b/);
  },
  LIMIT_MS,
);
