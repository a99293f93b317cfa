/** A service tested against a hub in the same process: `node --import tsx --test testing.ts` */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContentDistributionMessage, defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

class Archive {
  readonly stored: string[] = [];

  onEventNotification(event: ContentDistributionMessage): void {
    this.stored.push(event.text());
  }
}

async function setUp(hub: TestHub) {
  const topic = hub.topic('/feed');
  const archive = new Archive();
  const service = defineSubscriber({ target: topic.url, secret: 'auto' }, archive);
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  await hub.verified(topic);
  return { topic, archive, runtime };
}

await test('what the hub sends is stored', async () => {
  await using hub = await TestHub.start();
  const { topic, archive, runtime } = await setUp(hub);

  const [delivery] = await topic.publish('news');

  assert.equal(delivery?.status, 202);
  assert.deepEqual(archive.stored, ['news']);
  await runtime.stop();
  assert.deepEqual(hub.violations, []);
});

await test('what somebody else sends in its name is not', async () => {
  await using hub = await TestHub.start({ signature: 'wrong' });
  const { topic, archive, runtime } = await setUp(hub);

  const [delivery] = await topic.publish('forged');

  assert.equal(delivery?.status, 403);
  assert.deepEqual(archive.stored, []);
  await runtime.stop();
});
