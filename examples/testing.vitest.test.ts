/**
 * Tests a service with Vitest, against a hub in the same process.
 *
 * Run it with `npx vitest run testing.vitest.test.ts`
 */
import { expect, test } from 'vitest';
import { type ContentDistributionMessage, defineSubscriber, startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';

/** The class to test. */
class Archive {
  readonly texts: string[] = [];

  onEventNotification(event: ContentDistributionMessage): void {
    this.texts.push(event.text());
  }
}

test('signed deliveries are archived, and forged ones are rejected', async () => {
  await using hub = await TestHub.start();
  const topic = hub.topic('/feed');
  const archive = new Archive();
  // With a secret, the hub signs its deliveries.
  const service = defineSubscriber({ target: topic.url, secret: 'auto' }, archive);
  await using _runtime = await startService(service, { port: 0, store: 'memory', logger: false });
  await hub.verified(topic);

  await topic.publish('first');
  hub.configure({ signature: 'wrong' });
  const [forged] = await topic.publish('forged');

  expect(forged?.status).toBe(403);
  expect(archive.texts).toEqual(['first']);
  // Requests of the subscriber that violate the specification.
  expect(hub.violations).toEqual([]);
});
