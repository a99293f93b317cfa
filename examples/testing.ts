/**
 * Tests a service with node:test, against a hub in the same process.
 *
 * Run it with `npx tsx --test testing.ts`
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContentDistributionMessage, defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

/** The class to test. */
class Archive {
  readonly texts: string[] = [];

  onEventNotification(event: ContentDistributionMessage): void {
    this.texts.push(event.text());
  }
}

/** Subscribes an archive to a topic of the hub. */
async function setUp(hub: TestHub) {
  const topic = hub.topic('/feed');
  const archive = new Archive();
  // With a secret, the hub signs its deliveries.
  const service = defineSubscriber({ target: topic.url, secret: 'auto' }, archive);
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  await hub.verified(topic);
  return { topic, archive, runtime };
}

await test('a delivery is archived', async () => {
  await using hub = await TestHub.start();
  const { topic, archive, runtime } = await setUp(hub);

  const [delivery] = await topic.publish('first');

  assert.equal(delivery?.status, 202);
  assert.deepEqual(archive.texts, ['first']);
  await runtime.stop();
  assert.deepEqual(hub.violations, []);
});

await test('a delivery with a wrong signature is rejected', async () => {
  await using hub = await TestHub.start({ signature: 'wrong' });
  const { topic, archive, runtime } = await setUp(hub);

  const [delivery] = await topic.publish('forged');

  assert.equal(delivery?.status, 403);
  assert.deepEqual(archive.texts, []);
  await runtime.stop();
});
