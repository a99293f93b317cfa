import { describe, expect, it } from 'vitest';
import type { ContentDistributionMessage, DeliveryConfig } from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { throws } from '../../kit/throws.js';
import { atom, type WrittenEntry } from '../../kit/publisher.js';

const AT = Date.parse('2029-12-31T00:00:00Z');
const one: WrittenEntry = { id: 'one', publishedAt: AT };
const two: WrittenEntry = { id: 'two', publishedAt: AT };

/** A service that records the change of each entry it receives. */
async function recording(
  delivery: DeliveryConfig = {},
  handle: (event: ContentDistributionMessage) => void = () => {},
) {
  const received: string[][] = [];
  const subscriber = await startSubscriber(
    async (event) => {
      const entries = await event.entries();
      received.push(entries.map(({ id, change }) => `${id} ${change}`));
      handle(event);
    },
    { delivery },
  );
  const publish = async (entries: readonly WrittenEntry[]) => {
    const { status } = await subscriber.publish(atom(entries));
    await untilIdle();
    return status;
  };
  return { ...subscriber, received, publish };
}

describe('event.entries()', () => {
  it('tells whether each entry is new, updated or unchanged since the handler processed it, also after a restart', async () => {
    const subscriber = await recording();
    await subscriber.publish([one]);
    await subscriber.publish([two, one]);
    await subscriber.runtime.stop();
    await subscriber.startAgain();
    await subscriber.publish([two, { ...one, updated: AT + 1, title: 'corrected' }]);
    expect(subscriber.received).toEqual([['one new'], ['two new', 'one unchanged'], ['two unchanged', 'one updated']]);
  });

  it('reports deleted entries', async () => {
    const subscriber = await recording();
    await subscriber.publish([one]);
    await subscriber.topic.publish(
      '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">' +
        '<at:deleted-entry ref="one" when="2030-01-02T00:00:00Z"/></feed>',
    );
    expect(subscriber.received).toEqual([['one new'], ['one deleted']]);
  });

  it('treats an entry as processed only after its handler succeeded', async () => {
    let isBroken = true;
    const subscriber = await recording({}, () => {
      if (isBroken) throws(new Error('not now'));
    });
    await subscriber.publish([one]);
    isBroken = false;
    subscriber.world.advance(5_000);
    await untilIdle();
    await subscriber.publish([one]);
    expect(subscriber.received).toEqual([['one new'], ['one new'], ['one unchanged']]);
  });

  it('reports an older version that arrives late as unchanged', async () => {
    const subscriber = await recording();
    await subscriber.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    await subscriber.publish([one]);
    await subscriber.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    expect(subscriber.received).toEqual([['one new'], ['one unchanged'], ['one unchanged']]);
  });

  it('returns no entries for JSON or HTML without a feed, and rejects for other XML and for broken JSON', async () => {
    const results: unknown[] = [];
    const { topic } = await startSubscriber(async (event) => {
      try {
        const entries = await event.entries();
        results.push(entries.length);
      } catch (error) {
        results.push(error instanceof SyntaxError ? 'SyntaxError' : error);
      }
    });
    await topic.publish('{"event": "patient-open"}', { contentType: 'application/json' });
    await topic.publish('<!doctype html><title>a page</title>', { contentType: 'text/html' });
    await topic.publish('<opml/>', { contentType: 'text/xml' });
    await topic.publish('{"event": ', { contentType: 'application/json' });
    expect(results).toEqual([0, 0, 'SyntaxError', 'SyntaxError']);
  });
});

/** Two copies of an entry in separate events. The first is in progress until `end` is called. */
async function twoCopies(delivery: DeliveryConfig = {}) {
  const firstRun = deferred();
  const received: string[] = [];
  let eventCount = 0;
  const subscriber = await startSubscriber(
    async (event) => {
      if (event.attempt === 1) eventCount += 1;
      const isFirst = eventCount === 1;
      received.push(...(await event.entries()).map(({ id, change }) => `${event.attempt}: ${id} ${change}`));
      if (isFirst && event.attempt === 1) await firstRun.promise;
    },
    { delivery: { ackAfterMs: 0, ...delivery } },
  );
  const publish = async (entries: readonly WrittenEntry[]) => {
    const { status } = await subscriber.publish(atom(entries));
    await untilIdle();
    return status;
  };
  await publish([one]);
  expect(await publish([one, two])).toBe(202);
  expect(received).toEqual(['1: one new', '1: one unchanged', '1: two new']);
  received.length = 0;
  const end = async (error?: Error): Promise<void> => {
    if (error === undefined) firstRun.resolve();
    else firstRun.reject(error);
    await untilIdle();
  };
  return { ...subscriber, received, publish, end };
}

describe.each([{}, { dedupe: 'body' }, { dedupe: 'entries' }, { pollSeconds: 600 }] as const)(
  'a copy of an entry, with the delivery options %o,',
  (delivery) => {
    it('is unchanged while the first copy is in progress, and after its handler succeeded', async () => {
      const subscriber = await twoCopies(delivery);
      await subscriber.end();
      await subscriber.publish([one, { id: 'three', publishedAt: AT }]);
      expect(subscriber.received).toEqual(['1: one unchanged', '1: three new']);
    });

    it('is new in the retry of a failed handler, although the handler of a later copy succeeded', async () => {
      const subscriber = await twoCopies(delivery);
      await subscriber.end(new Error('not now'));
      subscriber.world.advance(5_000);
      await untilIdle();
      await subscriber.publish([one, { id: 'three', publishedAt: AT }]);
      expect(subscriber.received).toEqual(['2: one new', '1: one unchanged', '1: three new']);
    });

    it('is new after the first copy became a dead letter', async () => {
      const subscriber = await twoCopies({ ...delivery, retryForSeconds: 0 });
      await subscriber.end(new Error('never'));
      await subscriber.publish([one, { id: 'three', publishedAt: AT }]);
      expect(subscriber.received).toEqual(['1: one new', '1: three new']);
    });

    it('is new after the first copy could not be stored, so that the hub got 503', async () => {
      const subscriber = await recording({ ...delivery, retryForSeconds: 60 }, () => {
        if (subscriber.received.length === 1) throws(new Error('not now'));
      });
      subscriber.store.faults = new Set(['set']);
      expect(await subscriber.publish([one])).toBe(503);
      subscriber.store.faults = new Set();
      expect(await subscriber.publish([one, two])).toBe(202);
      expect(subscriber.received).toEqual([['one new'], ['one new', 'two new']]);
    });
  },
);

it('entries that are read in a hook or from a dead letter stay new for a handler', async () => {
  const read: string[] = [];
  const subscriber = await recording({ retryForSeconds: 0 }, () => throws(new Error('never')));
  subscriber.runtime.hooks.on('dead-letter', ({ event }) => {
    void event?.entries().then((entries) => read.push(...entries.map(({ change }) => change)));
  });
  await subscriber.publish([one]);
  await untilIdle();
  for await (const { event } of subscriber.runtime.deadLetters) {
    read.push(...((await event?.entries()) ?? []).map(({ id }) => id));
  }
  expect(read).toEqual(['new', 'one']);
  await subscriber.publish([one, two]);
  expect(subscriber.received).toEqual([['one new'], ['one new', 'two new']]);
});

const deletion = (when: number): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">` +
  `<at:deleted-entry ref="one" when="${new Date(when).toISOString()}"/></feed>`;

describe.each([false, 'body', 'entries'] as const)('with the dedupe option %s,', (dedupe) => {
  it('a processed entry is unchanged in a later feed, and another entry is new', async () => {
    const subscriber = await recording({ dedupe });
    await subscriber.publish([one]);
    await subscriber.publish([two, one]);
    expect(subscriber.received).toEqual([['one new'], ['two new', 'one unchanged']]);
  });

  it('an entry is deleted even if its deletion is dated before its update, and updated when it returns', async () => {
    const subscriber = await recording({ dedupe });
    await subscriber.publish([{ ...one, title: 'as it was' }]);
    await subscriber.topic.publish(deletion(AT - 1_000));
    await subscriber.publish([one]);
    await subscriber.topic.publish(deletion(AT + 1_000));
    await subscriber.publish([{ ...one, title: 'as it was' }]);
    // With `body`, the last feed is a duplicate of the first feed.
    expect(subscriber.received).toEqual(
      [['one new'], ['one deleted'], ['one updated'], ['one deleted'], ['one updated']].slice(
        0,
        dedupe === 'body' ? 4 : 5,
      ),
    );
  });
});

describe("delivery.dedupe: 'entries'", () => {
  it('drops a feed without new or updated entries, also after a restart 400 days later', async () => {
    const subscriber = await recording({ dedupe: 'entries' });
    await subscriber.publish([one, two]);
    expect(await subscriber.publish([two])).toBe(202);
    await subscriber.runtime.stop();
    subscriber.world.advance(400 * 86_400_000);
    await subscriber.startAgain();
    expect(await subscriber.publish([one])).toBe(202);
    await subscriber.publish([{ id: 'three', publishedAt: AT }, one]);
    expect(subscriber.received).toEqual([
      ['one new', 'two new'],
      ['three new', 'one unchanged'],
    ]);
  });

  it('delivers an entry that returns to an earlier version', async () => {
    const subscriber = await recording({ dedupe: 'entries' });
    const plain = { id: 'one' };
    await subscriber.publish([plain]);
    await subscriber.publish([{ ...plain, title: 'other' }]);
    await subscriber.publish([plain]);
    expect(subscriber.received).toEqual([['one new'], ['one updated'], ['one updated']]);
  });

  it('delivers a correction of an entry that was dated in the future', async () => {
    const subscriber = await recording({ dedupe: 'entries' });
    await subscriber.publish([
      { id: 'one', publishedAt: AT, updated: subscriber.world.now + 365 * 86_400_000, title: 'a typo' },
    ]);
    subscriber.world.advance(60_000);
    await subscriber.publish([{ id: 'one', publishedAt: AT, updated: subscriber.world.now }]);
    expect(subscriber.received).toEqual([['one new'], ['one updated']]);
  });

  it('marks no entry as processed if the handler fails', async () => {
    const subscriber = await recording({ dedupe: 'entries', retryForSeconds: 0 }, () => throws(new Error('never')));
    await subscriber.publish([one]);
    await untilIdle();
    await subscriber.publish([one]);
    expect(subscriber.received).toEqual([['one new'], ['one new']]);
  });
});
