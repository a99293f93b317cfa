import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { expectedOf, fixtureFile } from './old-store/expected.js';
import { openOld } from './old-store/old-world.js';
import { storeKinds } from './old-store/places.js';
import { until } from '../../kit/until.js';

const HOUR_MS = 3_600_000;

for (const [kind, isAvailable] of await storeKinds()) {
  describe.skipIf(!isAvailable)(`the events of a store that 0.1.0 wrote, on ${kind}`, () => {
    it('C7 are delivered once, with their ids, and in order within a service', async () => {
      await using hub = await TestHub.start();
      hub.topic('/pinged', { body: 'fetched for the ping' });
      const { expected, events, world } = await openOld(kind, { hubs: { hub } });
      const waitingIds = new Set(expected.waiting.map(({ id }) => id));
      world.advance(HOUR_MS);
      await until(() => events.filter(({ id }) => waitingIds.has(id)).length >= waitingIds.size);
      expect(events.filter(({ id }) => waitingIds.has(id))).toHaveLength(waitingIds.size);
      for (const old of expected.waiting) {
        const event = events.find(({ id }) => id === old.id);
        expect(event?.attempt).toBe(old.attempts + 1);
        expect(event?.subscription).toMatchObject({ id: old.subscriptionId, service: old.service });
        // The content of a thin ping is the current content of its topic.
        const isPing = old.service === 'Pinged';
        expect(event?.text().slice(0, 40)).toBe(isPing ? 'fetched for the ping' : old.text);
        expect(isPing || sha256(event?.raw) === old.sha256).toBe(true);
      }
      for (const service of ['Queued', 'Ordered']) {
        const inOrder = expected.waiting.filter((old) => old.service === service).map(({ id }) => id);
        const delivered = events.filter(({ id }) => inOrder.includes(id)).map(({ id }) => id);
        expect(delivered).toEqual(inOrder);
      }
    });

    it('C7 are listed with their bodies if they are dead letters, and can be replayed', async () => {
      const { runtime, expected, events, world } = await openOld(kind);
      const deadLetters: object[] = [];
      for await (const { id, service, subscriptionId, event } of runtime.deadLetters)
        deadLetters.push({ id, service, subscriptionId, text: event?.text() });
      expect(deadLetters).toEqual(expected.deadLetters);
      for (const { id } of expected.deadLetters) await runtime.deadLetters.replay(id);
      world.advance(1_000);
      const textOf = (id: string): string | undefined => events.find((event) => event.id === id)?.text();
      for (const { id, text } of expected.deadLetters) expect(await until(() => textOf(id))).toBe(text);
    });

    it('are not delivered again when a hub repeats their entries or body', async () => {
      const { expected, events, post } = await openOld(kind);
      const send = async (service: string, body: string, contentType?: string): Promise<void> => {
        const [grant] = expected.subscriptions.find((subscription) => subscription.service === service)?.grants ?? [];
        expect(grant && (await post(grant, body, grant.secrets[0], contentType))).toBe(202);
      };
      const feed = fixtureFile('feed.xml').toString();
      await send('Entries', feed, 'application/atom+xml');
      await send('Bodies', 'a body');
      expect(events).toEqual([]);
      await send('Entries', feed.replaceAll('urn:two', 'urn:three'), 'application/atom+xml');
      await send('Bodies', 'another body');
      const [feedEvent, bodyEvent] = events;
      const changes = (await feedEvent?.entries())?.map(({ id, change }) => `${id} ${change}`);
      expect(changes).toEqual(['urn:one unchanged', 'urn:three new']);
      expect(bodyEvent?.text()).toBe('another body');
    });

    it('L3 are followed by a catch-up from the time at which 0.1.0 last received', async () => {
      await using hub = await TestHub.start();
      const timeAfter = (hours: number): string => new Date(expectedOf(kind).now + hours * HOUR_MS).toISOString();
      hub.topic('/inline', { discovery: 'xml', body: feedOf({ before: timeAfter(-2), meanwhile: timeAfter(0.5) }) });
      const { world, events } = await openOld(kind, { later: 5 * HOUR_MS, hubs: { hub } });
      world.advance(60_000);
      const event = await until(() => events.find(({ source }) => source === 'catch-up'));
      expect(event.subscription.target).toBe(new URL('/inline', hub.url).href);
      expect((await event.entries()).map(({ id }) => id)).toEqual(['urn:meanwhile']);
    });
  });
}

/** A feed with an entry for each name, with its time of update. */
function feedOf(entries: Readonly<Record<string, string>>): string {
  const elements = Object.entries(entries).map(
    ([name, updatedAt]) => `<entry><id>urn:${name}</id><title>${name}</title><updated>${updatedAt}</updated></entry>`,
  );
  return `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>Feed</title>${elements.join('')}</feed>`;
}

function sha256(bytes: Uint8Array = new Uint8Array()): string {
  return createHash('sha256').update(bytes).digest('hex');
}
