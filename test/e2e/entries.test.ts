import { describe, expect, it } from 'vitest';
import type { ContentDistributionMessage, DeliveryConfig } from 'websub-subscriber';
import { deferred } from '../kit/fake-world.js';
import { quiet, setUp, throws } from '../kit/news-service.js';
import { atom, type Written } from '../kit/publisher.js';

const AT = Date.parse('2029-12-31T00:00:00Z');
const one: Written = { id: 'one', at: AT };
const two: Written = { id: 'two', at: AT };

/** A service that notes how the entries it gets compare with those before. */
async function noting(delivery: DeliveryConfig = {}, handle: (event: ContentDistributionMessage) => void = () => {}) {
  const got: string[][] = [];
  const set = await setUp(
    async (event) => {
      const entries = await event.entries();
      got.push(entries.map(({ id, change }) => `${id} ${change}`));
      handle(event);
    },
    { delivery },
  );
  const publish = async (entries: readonly Written[]) => {
    const { status } = await set.publish(atom(entries));
    await quiet();
    return status;
  };
  return { ...set, got, publish };
}

describe('event.entries()', () => {
  it('says what is new, what has changed and what has not since the handler had it, also after a restart', async () => {
    const set = await noting();
    await set.publish([one]);
    await set.publish([two, one]);
    await set.runtime.stop();
    await set.startAgain();
    await set.publish([two, { ...one, updated: AT + 1, title: 'corrected' }]);
    expect(set.got).toEqual([['one new'], ['two new', 'one unchanged'], ['two unchanged', 'one updated']]);
  });

  it('says what is deleted', async () => {
    const set = await noting();
    await set.publish([one]);
    await set.topic.publish(
      '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">' +
        '<at:deleted-entry ref="one" when="2030-01-02T00:00:00Z"/></feed>',
    );
    expect(set.got).toEqual([['one new'], ['one deleted']]);
  });

  it('takes nothing for seen before a handler has succeeded with it', async () => {
    let isBroken = true;
    const set = await noting({}, () => {
      if (isBroken) throws(new Error('not now'));
    });
    await set.publish([one]);
    isBroken = false;
    set.world.pass(5_000);
    await quiet();
    await set.publish([one]);
    expect(set.got).toEqual([['one new'], ['one new'], ['one unchanged']]);
  });

  it('takes an older version that comes late for one that was seen', async () => {
    const set = await noting();
    await set.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    await set.publish([one]);
    await set.publish([{ ...one, updated: AT + 2, title: 'corrected' }]);
    expect(set.got).toEqual([['one new'], ['one unchanged'], ['one unchanged']]);
  });

  it('is none for what is no feed, and rejects for what is broken', async () => {
    const seen: unknown[] = [];
    const { topic } = await setUp(async (event) => {
      try {
        const entries = await event.entries();
        seen.push(entries.length);
      } catch (error) {
        seen.push(error instanceof SyntaxError ? 'SyntaxError' : error);
      }
    });
    await topic.publish('{"event": "patient-open"}', { contentType: 'application/json' });
    await topic.publish('<!doctype html><title>a page</title>', { contentType: 'text/html' });
    await topic.publish('<opml/>', { contentType: 'text/xml' });
    await topic.publish('{"event": ', { contentType: 'application/json' });
    expect(seen).toEqual([0, 0, 'SyntaxError', 'SyntaxError']);
  });
});

/** Two copies of an entry, each in an event of its own, the first of which is in hand until `end` is called. */
async function twoCopies(delivery: DeliveryConfig = {}) {
  const turn = deferred();
  const got: string[] = [];
  let events = 0;
  const set = await setUp(
    async (event) => {
      if (event.attempt === 1) events += 1;
      const isFirst = events === 1;
      got.push(...(await event.entries()).map(({ id, change }) => `${event.attempt}: ${id} ${change}`));
      if (isFirst && event.attempt === 1) await turn.promise;
    },
    { delivery: { ackAfterMs: 0, ...delivery } },
  );
  const publish = async (entries: readonly Written[]) => {
    const { status } = await set.publish(atom(entries));
    await quiet();
    return status;
  };
  await publish([one]);
  expect(await publish([one, two])).toBe(202);
  expect(got).toEqual(['1: one new', '1: one unchanged', '1: two new']);
  got.length = 0;
  const end = async (error?: Error): Promise<void> => {
    if (error === undefined) turn.resolve();
    else turn.reject(error);
    await quiet();
  };
  return { ...set, got, publish, end };
}

describe.each([{}, { dedupe: 'body' }, { dedupe: 'entries' }, { pollSeconds: 600 }] as const)(
  'of two copies of an entry at the same time the second is unchanged (%o)',
  (delivery) => {
    it('and so is a third, when the first has succeeded', async () => {
      const set = await twoCopies(delivery);
      await set.end();
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.got).toEqual(['1: one unchanged', '1: three new']);
    });

    it('and the first is new when it is tried again, although the second has succeeded', async () => {
      const set = await twoCopies(delivery);
      await set.end(new Error('not now'));
      set.world.pass(5_000);
      await quiet();
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.got).toEqual(['2: one new', '1: one unchanged', '1: three new']);
    });

    it('and a third is new when the first was given up', async () => {
      const set = await twoCopies({ ...delivery, retryForSeconds: 0 });
      await set.end(new Error('never'));
      await set.publish([one, { id: 'three', at: AT }]);
      expect(set.got).toEqual(['1: one new', '1: three new']);
    });

    it('and a third is new when the first could not be stored, and its hub is to send it again', async () => {
      const set = await noting({ ...delivery, retryForSeconds: 60 }, () => {
        if (set.got.length === 1) throws(new Error('not now'));
      });
      set.store.faults = new Set(['set']);
      expect(await set.publish([one])).toBe(503);
      set.store.faults = new Set();
      expect(await set.publish([one, two])).toBe(202);
      expect(set.got).toEqual([['one new'], ['one new', 'two new']]);
    });
  },
);

it('looking at the entries of a dead letter, or of an event that was told of, makes them unchanged for nobody', async () => {
  const looked: string[] = [];
  const set = await noting({ retryForSeconds: 0 }, () => throws(new Error('never')));
  set.runtime.hooks.on('dead-letter', ({ event }) => {
    void event?.entries().then((entries) => looked.push(...entries.map(({ change }) => change)));
  });
  await set.publish([one]);
  await quiet();
  for await (const { event } of set.runtime.deadLetters) {
    looked.push(...((await event?.entries()) ?? []).map(({ id }) => id));
  }
  expect(looked).toEqual(['new', 'one']);
  await set.publish([one, two]);
  expect(set.got).toEqual([['one new'], ['one new', 'two new']]);
});

const deletion = (when: number): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">` +
  `<at:deleted-entry ref="one" when="${new Date(when).toISOString()}"/></feed>`;

describe.each([false, 'body', 'entries'] as const)('with dedupe: %s', (dedupe) => {
  it('entries are compared with those before', async () => {
    const set = await noting({ dedupe });
    await set.publish([one]);
    await set.publish([two, one]);
    expect(set.got).toEqual([['one new'], ['two new', 'one unchanged']]);
  });

  it('an entry may be deleted before it was updated, and come back as it was', async () => {
    const set = await noting({ dedupe });
    await set.publish([{ ...one, title: 'as it was' }]);
    await set.topic.publish(deletion(AT - 1_000));
    await set.publish([one]);
    await set.topic.publish(deletion(AT + 1_000));
    await set.publish([{ ...one, title: 'as it was' }]);
    expect(set.got).toEqual(
      [['one new'], ['one deleted'], ['one updated'], ['one deleted'], ['one updated']].slice(
        0,
        dedupe === 'body' ? 4 : 5,
      ),
    );
  });
});

describe("delivery.dedupe: 'entries'", () => {
  it('drops a feed without an entry that is new, also after a restart and after any time', async () => {
    const set = await noting({ dedupe: 'entries' });
    await set.publish([one, two]);
    expect(await set.publish([two])).toBe(202);
    await set.runtime.stop();
    set.world.pass(400 * 86_400_000);
    await set.startAgain();
    expect(await set.publish([one])).toBe(202);
    await set.publish([{ id: 'three', at: AT }, one]);
    expect(set.got).toEqual([
      ['one new', 'two new'],
      ['three new', 'one unchanged'],
    ]);
  });

  it('hands over an entry that is set back to what it was: that is news', async () => {
    const set = await noting({ dedupe: 'entries' });
    const plain = { id: 'one' };
    await set.publish([plain]);
    await set.publish([{ ...plain, title: 'other' }]);
    await set.publish([plain]);
    expect(set.got).toEqual([['one new'], ['one updated'], ['one updated']]);
  });

  it('hands over what is corrected after a date that was yet to come', async () => {
    const set = await noting({ dedupe: 'entries' });
    await set.publish([{ id: 'one', at: AT, updated: set.world.now + 365 * 86_400_000, title: 'a typo' }]);
    set.world.pass(60_000);
    await set.publish([{ id: 'one', at: AT, updated: set.world.now }]);
    expect(set.got).toEqual([['one new'], ['one updated']]);
  });

  it('marks nothing of a feed whose handler fails', async () => {
    const set = await noting({ dedupe: 'entries', retryForSeconds: 0 }, () => throws(new Error('never')));
    await set.publish([one]);
    await quiet();
    await set.publish([one]);
    expect(set.got).toEqual([['one new'], ['one new']]);
  });
});
