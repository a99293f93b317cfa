import { expect } from 'vitest';
import type { HubSubscription, HubTopic, TestHub } from 'websub-subscriber/testing';
import type { ExampleProcess } from './example-process.js';
import { atom, type WrittenEntry } from './publisher.js';

/** The time limit of a test that runs an example, in milliseconds. */
export const EXAMPLE_LIMIT_MS = 120_000;

/** An entry of a feed, and the text that most examples print for it. */
export const FIRST_ENTRY = { id: 'urn:1', title: 'The first', url: 'https://blog.test/1' } as const;
export const FIRST_ENTRY_LINE = 'new The first https://blog.test/1';

/** Serves an Atom feed without entries. */
export function feedTopic(hub: TestHub, path = '/feed'): HubTopic {
  return hub.topic(path, { contentType: 'application/atom+xml', body: atom([]) });
}

/** Publishes a feed with these entries. Resolves with the status of each delivery. */
export async function publishEntries(
  topic: HubTopic,
  ...entries: readonly WrittenEntry[]
): Promise<(number | undefined)[]> {
  const deliveries = await topic.publish(atom(entries));
  return deliveries.map(({ status }) => status);
}

/** Resolves with the example's subscription; rejects at once if the example ends. */
export async function subscriptionOf(example: ExampleProcess, hub: TestHub): Promise<HubSubscription> {
  const endedEarly = example.ended.then(({ code }) => {
    throw new Error(`The example ended with ${code}:\n${example.output()}`);
  });
  return Promise.race([hub.verified(undefined, { timeoutMs: 30_000 }), endedEarly]);
}

/** Ctrl-C unsubscribes at the hub, without violations, and the signal ends the process. */
export async function expectCleanEnd(example: ExampleProcess, hub: TestHub): Promise<void> {
  example.interrupt();
  expect(await example.ended).toEqual({ code: null, signal: 'SIGINT' });
  await hub.settled();
  expect(hub.subscriptions.length).toBeGreaterThan(0);
  expect(hub.subscriptions.filter(({ state }) => state !== 'unsubscribed')).toEqual([]);
  expect(hub.violations).toEqual([]);
}
