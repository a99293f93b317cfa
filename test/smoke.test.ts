import { expect, test } from 'vitest';
import { defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

test('news arrives', async () => {
  await using hub = await TestHub.start();
  const topic = hub.topic('/feed', { discovery: 'link-header', body: 'one' });
  const got: string[] = [];
  const service = defineSubscriber(
    { target: topic.url, secret: 'sssh', leaseSeconds: 3600 },
    { onEventNotification: (event) => void got.push(event.text()) },
  );
  await using runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  await runtime.ready({ timeoutMs: 5000 });
  await hub.verified(topic);
  const [delivery] = await topic.publish('two');
  expect(delivery?.status).toBe(202);
  expect(got).toEqual(['two']);
  await runtime.stop(); await hub.settled();
  expect(hub.subscriptions.map((s) => s.state)).toEqual(['unsubscribed']);
  expect(hub.violations).toEqual([]);
});
