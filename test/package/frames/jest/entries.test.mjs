import { expect, test } from '@jest/globals';
import { defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

// This many entries are parsed in a worker thread.
const entries = Array.from({ length: 2_000 }, (_, id) => `<entry><id>${id}</id></entry>`).join('');

test('an event reaches the handler, and its entries are parsed', async () => {
  const received = [];
  const hub = await TestHub.start();
  const topic = hub.topic('/feed', { discovery: 'html' });
  const feedReader = defineSubscriber(
    { name: 'feed-reader', target: topic.url, secret: 'auto' },
    { onEventNotification: async (event) => void received.push((await event.entries()).length) },
  );
  const runtime = await startService(feedReader, { port: 0, host: '127.0.0.1', logger: false });
  await runtime.ready();
  await topic.publish(`<feed xmlns="http://www.w3.org/2005/Atom">${entries}</feed>`);
  await runtime.stop();
  await hub.close();
  expect(received).toEqual([2_000]);
  expect(hub.violations).toEqual([]);
});
