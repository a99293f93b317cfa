import { expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { runExample } from '../../kit/example-process.js';
import {
  EXAMPLE_LIMIT_MS,
  expectCleanEnd,
  feedTopic,
  FIRST_ENTRY,
  FIRST_ENTRY_LINE,
  publishEntries,
  subscriptionOf,
} from '../../kit/example-steps.js';

it(
  'runtime-feeds.ts adds, finds and removes feeds while it runs',
  async () => {
    await using hub = await TestHub.start();
    const [topic, otherTopic] = [feedTopic(hub, '/security'), feedTopic(hub, '/sports')];
    await using example = runExample('runtime-feeds', { hasInput: true });
    example.type(`add ${topic.url} security`);
    await subscriptionOf(example, hub);
    example.type(`add ${otherTopic.url} sports`);
    await hub.verified(otherTopic);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    await example.printed('[security] The first https://blog.test/1');
    example.type('list security');
    await example.printed(`${topic.url} active`);
    expect(example.output()).not.toContain(`${otherTopic.url} active`);
    example.type('add feed security');
    await example.printed(/feed.*URL/);
    example.type(`remove ${topic.url}`);
    await hub.unsubscribed(topic);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'many-feeds.ts subscribes to each feed, and prints which feed an entry is of',
  async () => {
    await using hub = await TestHub.start();
    const [topic, otherTopic] = [feedTopic(hub, '/security'), feedTopic(hub, '/sports')];
    await using example = runExample('many-feeds', { env: { FEEDS: `${topic.url} ${otherTopic.url}` } });
    await subscriptionOf(example, hub);
    await Promise.all([hub.verified(topic), hub.verified(otherTopic)]);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    expect(await publishEntries(otherTopic, { id: 'urn:2', title: 'The second' })).toEqual([202]);
    await example.printed(`${topic.url} new The first`);
    await example.printed(`${otherTopic.url} new The second`);
    await expectCleanEnd(example, hub);
    expect(hub.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed', 'unsubscribed']);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'many-hubs.ts subscribes at each hub, prints an entry once, and goes on when one hub is silent',
  async () => {
    await using second = await TestHub.start();
    await using first = await TestHub.start();
    const topic = feedTopic(first);
    topic.configure({ hubs: [first.url, second] });
    await using example = runExample('many-hubs', { env: { FEED: topic.url } });
    await Promise.all([subscriptionOf(example, first), subscriptionOf(example, second)]);
    await example.printed(`${first.url} verifies the subscription`);
    await example.printed(`${second.url} verifies the subscription`);
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202, 202]);
    await example.printed('new: The first, from');
    first.configure({ silent: true });
    expect(await publishEntries(topic, { id: 'urn:2', title: 'The second' })).toEqual([202]);
    await example.printed(`new: The second, from ${second.url}`);
    expect(example.output().match(/The first/g)).toHaveLength(1);
    await expectCleanEnd(example, first);
    expect(second.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed']);
    expect(second.violations).toEqual([]);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'youtube.ts subscribes to a topic at a known hub, and prints a new video',
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
    await example.printed('new abc-DEF_1 A video https://www.youtube.com/watch?v=abc-DEF_1');
    await hub.deny('the channel is gone');
    await example.printed('The hub denied the subscription: the channel is gone');
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);

it(
  'pubsubhubbub-03.ts sends hub.verify and credentials, and receives content signed with sha1',
  async () => {
    await using hub = await TestHub.start({ protocol: 'pubsubhubbub-0.3' });
    const topic = feedTopic(hub);
    await using example = runExample('pubsubhubbub-03', {
      env: { FEED: topic.url, HUB: hub.url, HUB_USER: 'ann', HUB_PASSWORD: 'sesame' },
    });
    await subscriptionOf(example, hub);
    const subscribeRequest = hub.requests.find(({ method }) => method === 'POST');
    expect(subscribeRequest?.form.getAll('hub.verify')).toEqual(['async', 'sync']);
    expect(subscribeRequest?.headers.get('authorization')).toBe(
      `Basic ${Buffer.from('ann:sesame').toString('base64')}`,
    );
    expect(await publishEntries(topic, FIRST_ENTRY)).toEqual([202]);
    expect(hub.deliveries.at(-1)?.sent.headers['x-hub-signature']).toMatch(/^sha1=/);
    await example.printed(FIRST_ENTRY_LINE);
    await expectCleanEnd(example, hub);
  },
  EXAMPLE_LIMIT_MS,
);
