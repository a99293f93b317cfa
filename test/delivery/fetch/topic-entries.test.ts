import { beforeAll, describe, expect, test } from 'vitest';
import {
  entriesNewAfterGap,
  topicEntries,
  type GapRule,
  type TopicEntry,
} from '../../../src/delivery/fetch/topic-entries.js';
import { atom } from '../../kit/publisher.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = Date.parse('2026-06-01T00:00:00Z');

const entriesOf = (text: string, contentType?: string): Promise<readonly TopicEntry[]> =>
  topicEntries(
    {
      url: 'https://example.com/feed',
      headers: contentType === undefined ? [] : [['content-type', contentType]],
      body: Buffer.from(text, 'latin1'),
      validators: {},
    },
    { subscriptionId: 's' },
  );

describe('the entries of a topic', () => {
  test('have the later of their times', async () => {
    const text = atom([{ id: 'a', at: SINCE, updated: SINCE + DAY }, { id: 'b', at: SINCE }, { id: 'c' }]);
    const entries = await entriesOf(text);
    expect(entries.map(({ at }) => at)).toEqual([SINCE + DAY, SINCE, undefined]);
  });

  test('are read in the charset of the answer', async () => {
    const [inLatin1] = await entriesOf(atom([{ id: '\u00e9' }]), 'text/xml; charset=iso-8859-1');
    const [escaped] = await entriesOf(atom([{ id: '&#233;' }]));
    expect(inLatin1?.dedupeKey.key).toBe(escaped?.dedupeKey.key);
  });

  test('are those of one subscription', async () => {
    const text = {
      url: 'https://example.com/feed',
      headers: [],
      body: Buffer.from(atom([{ id: 'a' }])),
      validators: {},
    };
    const [one] = await topicEntries(text, { subscriptionId: 's' });
    const [other] = await topicEntries(text, { subscriptionId: 't' });
    expect(one?.key).toBe(other?.key);
    expect(one?.dedupeKey.key).not.toBe(other?.dedupeKey.key);
  });

  test('are none where it is no feed, and a SyntaxError where it is broken', async () => {
    expect(await entriesOf('<!doctype html><p>page', 'text/html')).toEqual([]);
    await expect(entriesOf('<feed xmlns="http://www.w3.org/2005/Atom"><entry>')).rejects.toThrow(SyntaxError);
  });
});

describe('what is new after a gap', () => {
  const MINUTE = 60_000;
  const BEGAN = SINCE - 30 * DAY;
  const written = [
    { id: 'during', at: SINCE + HOUR },
    { id: 'within the hour before', at: SINCE - HOUR },
    { id: 'before', at: SINCE - HOUR - 1 },
    { id: 'without a time' },
    { id: 'old and updated', at: SINCE - DAY, updated: SINCE + 1 },
    { id: 'within ten minutes before the subscription', at: BEGAN - 10 * MINUTE },
    { id: 'before the subscription', at: BEGAN - 10 * MINUTE - 1 },
  ];
  let entries: readonly TopicEntry[] = [];
  beforeAll(async () => {
    entries = await entriesOf(atom(written));
  });
  const news = async (rule: Partial<GapRule> = {}): Promise<readonly string[]> => {
    const all = {
      since: SINCE,
      subscribedAt: BEGAN,
      now: SINCE + DAY,
      tracksEntries: false,
      isMissing: () => true,
      ...rule,
    };
    const found = await entriesNewAfterGap(entries, all);
    return found.map((entry) => written[entries.indexOf(entry)]?.id ?? '');
  };

  test('L3 is of its time, less an hour, or of no time', async () => {
    expect(await news()).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
  });

  test('L3 is also what was not handed over since there is the subscription less ten minutes, where that is remembered', async () => {
    expect(await news({ tracksEntries: true })).toEqual([
      'during',
      'within the hour before',
      'before',
      'without a time',
      'old and updated',
      'within ten minutes before the subscription',
    ]);
  });

  test.each([true, false])(
    'L3 is nothing from before the subscription, whenever its gap began (%s)',
    async (tracksEntries) => {
      // Its hub failed for two days before it first verified.
      const rule = { since: SINCE - 2 * DAY, subscribedAt: SINCE, tracksEntries };
      expect(await news(rule)).toEqual(['during', 'without a time', 'old and updated']);
    },
  );

  test.each([true, false])(
    'L3 is that of the gap where a clock was set back since the subscription began (%s)',
    async (tracksEntries) => {
      const rule = { subscribedAt: SINCE + 365 * DAY, tracksEntries };
      expect(await news(rule)).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
    },
  );

  test('is nothing that was handed over', async () => {
    const had = entries[0]?.dedupeKey.key;
    expect(await news({ isMissing: ({ key }) => key !== had })).not.toContain('during');
    expect(await news({ tracksEntries: true, isMissing: () => false })).toEqual([]);
  });
});
