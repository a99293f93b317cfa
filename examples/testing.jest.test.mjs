/**
 * Tests a service with Jest, against a hub in the same process.
 *
 * Run it with `NODE_OPTIONS=--experimental-vm-modules npx jest testing.jest.test.mjs`: Jest needs the flag for ES
 * modules.
 */
import { expect, test } from '@jest/globals';
import { defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

/** The class to test. */
class Archive {
  texts = [];

  onEventNotification(event) {
    this.texts.push(event.text());
  }
}

test('signed deliveries are archived, and forged ones are rejected', async () => {
  const hub = await TestHub.start();
  const topic = hub.topic('/feed');
  const archive = new Archive();
  // With a secret, the hub signs its deliveries.
  const service = defineSubscriber({ target: topic.url, secret: 'auto' }, archive);
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  try {
    await hub.verified(topic);

    await topic.publish('first');
    hub.configure({ signature: 'wrong' });
    const [forged] = await topic.publish('forged');

    expect(forged.status).toBe(403);
    expect(archive.texts).toEqual(['first']);
    // Requests of the subscriber that violate the specification.
    expect(hub.violations).toEqual([]);
  } finally {
    await runtime.stop();
    await hub.close();
  }
});
