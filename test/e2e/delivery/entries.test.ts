import { describe, expect, it } from 'vitest';
import type { ContentDistributionMessage, DeliveryConfig } from 'websub-subscriber';
import { deferred } from '../../kit/deferred.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startSubscriber } from '../../kit/start-subscriber.js';
import { throws } from '../../kit/throws.js';
import { atom, type WrittenEntry } from '../../kit/publisher.js';

const AT = Date.parse('2029-12-31T00:00:00Z');
const one: WrittenEntry = { id: 'one', at: AT };
const two: WrittenEntry = { id: 'two', at: AT };

/** A service that records the change of each entry it receives. */
async function recording(
  delivery: DeliveryConfig = {},
  handle: (event: ContentDistributionMessage) => void = () => {},
) {
  const received: string[][] = [];
  const set = await startSubscriber(
    async (event) => {
      const entries = await event.entries();
      received.push(entries.map(({ id, change }) => `${id} ${change}`));
      handle(event);
    },
    { delivery },
  );
  const publish = async (entries: readonly WrittenEntry[]) => {
    const { status } = await set.publish(atom(entries));
    await untilIdle();
    return status;
  };
  return { ...set, received, publish };
}

describe('event.entries()', () => {
  it('tells whether each entry is new, updated or unchanged since the handler processed it, also after a restart', async () => {
    const set = await recording();
    await set.publish([one]);
    await set.publish([two, one]);
    await set.runtime.stop();
    await set.startAgain();
    await set.publish([two, { ...one, updated: AT + 1, title: 'corrected' }]);
    expect(set.received).toEqual([['one new'], ['two new', 'one unchanged'], ['two unchanged', 'one updated']]);
  });

  it('reports deleted entries', async () => {
    const set = await recording();
    await set.publish([one]);
    await set.topic.publish(
      '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">' +
        '<at:deleted-entry ref="one" when="2030-01-02T00:00:00Z"/></feed>',
    );
    expect(set.received).toEqual([['one new'], ['one deleted']]);
  });

  it('treats an entry as processed only after its handler succeeded', async () => {
    let isBroken = true;
    const set = await recording({}, () => {
      if (isBroken) throws(new Error('not now'));
    });
    await set.publish([one]);
    isBroken = false;
    set.world.advance(5_000);
    await untilIdle();
    await set.publish([one]);
    expect(set.received).toEqual([['one new'], ['one new'], ['one unchanged']]);
  });

  it('reports a late older version as unchanged', async () => {
    const set = await recording();
    await set.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    await set.publish([one]);
    await set.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    expect(set.received).toEqual([['one new'], ['one unchanged'], ['one unchanged']]);
  });

  it('returns no entries for content that is not a feed, and rejects for broken content', async () => {
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
  const gate = deferred();
  const received: string[] = [];
  let events = 0;
  const set = await startSubscriber(
    async (event) => {
      if (event.attempt === 1) events += 1;
      const isFirst = events === 1;
      received.push(...(await event.entries()).map(({ id, change }) => `${event.attempt}: ${id} ${change}`));
      if (isFirst && event.attempt === 1) await gate.promise;
    },
    { delivery: { ackAfterMs: 0, ...delivery } },
  );
  const publish = async (entries: readonly WrittenEntry[]) => {
    const { status } = await set.publish(atom(entries));
    await untilIdle();
    return status;
  };
  await publish([one]);
  expect(await publish([one, two])).toBe(202);
  expect(received).toEqual(['1: one new', '1: one unchanged', '1: two new']);
  received.length = 0;
  const end = async (error?: Error): Promise<void> => {
    if (error === undefined) gate.resolve();
    else gate.reject(error);
    await untilIdle();
  };
  return { ...set, received, publish, end };
}

describe.each([{}, { dedupe: 'body' }, { dedupe: 'entries' }, { pollSeconds: 600 }] as const)(
  'a concurrent second copy of an entry is unchanged (%o)',
  (delivery) => {
    it('and so is a third, when the first has succeeded', async () => {
      const set = await twoCopies(delivery);
      await set.end();
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.received).toEqual(['1: one unchanged', '1: three new']);
    });

    it('and the first is new when it is retried, although the second has succeeded', async () => {
      const set = await twoCopies(delivery);
      await set.end(new Error('not now'));
      set.world.advance(5_000);
      await untilIdle();
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.received).toEqual(['2: one new', '1: one unchanged', '1: three new']);
    });

    it('and a third is new when the first is dead-lettered', async () => {
      const set = await twoCopies({ ...delivery, retryForSeconds: 0 });
      await set.end(new Error('never'));
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.received).toEqual(['1: one new', '1: three new']);
    });

    it('and a third is new when the first could not be stored, so that its hub sends it again', async () => {
      const set = await recording({ ...delivery, retryForSeconds: 60 }, () => {
        if (set.received.length === 1) throws(new Error('not now'));
      });
      set.store.faults = new Set(['set']);
      expect(await set.publish([one])).toBe(503);
      set.store.faults = new Set();
      expect(await set.publish([one, two])).toBe(202);
      expect(set.received).toEqual([['one new'], ['one new', 'two new']]);
    });
  },
);

it('reading entries of a dead letter, or of an event in a hook, does not make them unchanged for a handler', async () => {
  const read: string[] = [];
  const set = await recording({ retryForSeconds: 0 }, () => throws(new Error('never')));
  set.runtime.hooks.on('dead-letter', ({ event }) => {
    void event?.entries().then((entries) => read.push(...entries.map(({ change }) => change)));
  });
  await set.publish([one]);
  await untilIdle();
  for await (const { event } of set.runtime.deadLetters) {
    read.push(...((await event?.entries()) ?? []).map(({ id }) => id));
  }
  expect(read).toEqual(['new', 'one']);
  await set.publish([one, two]);
  expect(set.received).toEqual([['one new'], ['one new', 'two new']]);
});

const deletion = (when: number): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">` +
  `<at:deleted-entry ref="one" when="${new Date(when).toISOString()}"/></feed>`;

describe.each([false, 'body', 'entries'] as const)('with dedupe: %s', (dedupe) => {
  it('entries are compared with the processed ones', async () => {
    const set = await recording({ dedupe });
    await set.publish([one]);
    await set.publish([two, one]);
    expect(set.received).toEqual([['one new'], ['two new', 'one unchanged']]);
  });

  it('an entry may have a deletion date before its update date, and return in its earlier form', async () => {
    const set = await recording({ dedupe });
    await set.publish([{ ...one, title: 'as it was' }]);
    await set.topic.publish(deletion(AT - 1_000));
    await set.publish([one]);
    await set.topic.publish(deletion(AT + 1_000));
    await set.publish([{ ...one, title: 'as it was' }]);
    expect(set.received).toEqual(
      [['one new'], ['one deleted'], ['one updated'], ['one deleted'], ['one updated']].slice(
        0,
        dedupe === 'body' ? 4 : 5,
      ),
    );
  });
});

describe("delivery.dedupe: 'entries'", () => {
  it('drops a feed without new entries, also after a restart and after any time', async () => {
    const set = await recording({ dedupe: 'entries' });
    await set.publish([one, two]);
    expect(await set.publish([two])).toBe(202);
    await set.runtime.stop();
    set.world.advance(400 * 86_400_000);
    await set.startAgain();
    expect(await set.publish([one])).toBe(202);
    await set.publish([{ id: 'three', at: AT }, one]);
    expect(set.received).toEqual([
      ['one new', 'two new'],
      ['three new', 'one unchanged'],
    ]);
  });

  it('delivers an entry that returns to an earlier version', async () => {
    const set = await recording({ dedupe: 'entries' });
    const plain = { id: 'one' };
    await set.publish([plain]);
    await set.publish([{ ...plain, title: 'other' }]);
    await set.publish([plain]);
    expect(set.received).toEqual([['one new'], ['one updated'], ['one updated']]);
  });

  it('delivers a correction of an entry that was dated in the future', async () => {
    const set = await recording({ dedupe: 'entries' });
    await set.publish([{ id: 'one', at: AT, updated: set.world.now + 365 * 86_400_000, title: 'a typo' }]);
    set.world.advance(60_000);
    await set.publish([{ id: 'one', at: AT, updated: set.world.now }]);
    expect(set.received).toEqual([['one new'], ['one updated']]);
  });

  it('marks no entry as processed if the handler fails', async () => {
    const set = await recording({ dedupe: 'entries', retryForSeconds: 0 }, () => throws(new Error('never')));
    await set.publish([one]);
    await untilIdle();
    await set.publish([one]);
    expect(set.received).toEqual([['one new'], ['one new']]);
  });
});
