import { beforeAll, describe, expect, test } from 'vitest';
import {
  entriesNewAfterGap,
  topicEntries,
  type GapRule,
  type TopicEntry,
} from '../../../src/delivery/fetch/topic-entries.js';
import { atom, type WrittenEntry } from '../../kit/publisher.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = Date.parse('2026-06-01T00:00:00Z');

const entriesOf = (content: string, contentType?: string): Promise<readonly TopicEntry[]> =>
  topicEntries(
    {
      url: 'https://example.com/feed',
      headers: contentType === undefined ? [] : [['content-type', contentType]],
      body: Buffer.from(content, 'latin1'),
      validators: {},
    },
    { subscriptionId: 's' },
  );

describe('the entries of a topic', () => {
  test('have the later of their publication and update times', async () => {
    const content = atom([
      { id: 'a', publishedAt: SINCE, updated: SINCE + DAY },
      { id: 'b', publishedAt: SINCE },
      { id: 'c' },
    ]);
    const entries = await entriesOf(content);
    expect(entries.map(({ at }) => at)).toEqual([SINCE + DAY, SINCE, undefined]);
  });

  test('are read in the charset of the response', async () => {
    const [inLatin1] = await entriesOf(atom([{ id: '\u00e9' }]), 'text/xml; charset=iso-8859-1');
    const [escaped] = await entriesOf(atom([{ id: '&#233;' }]));
    expect(inLatin1?.dedupeKey.key).toBe(escaped?.dedupeKey.key);
  });

  test('have different dedupe keys in each subscription', async () => {
    const content = {
      url: 'https://example.com/feed',
      headers: [],
      body: Buffer.from(atom([{ id: 'a' }])),
      validators: {},
    };
    const [entry] = await topicEntries(content, { subscriptionId: 's' });
    const [entryOfOther] = await topicEntries(content, { subscriptionId: 't' });
    expect(entry?.key).toBe(entryOfOther?.key);
    expect(entry?.dedupeKey.key).not.toBe(entryOfOther?.dedupeKey.key);
  });

  test('are none if the content is not a feed, and cause a SyntaxError if the content is broken', async () => {
    expect(await entriesOf('<!doctype html><p>page', 'text/html')).toEqual([]);
    await expect(entriesOf('<feed xmlns="http://www.w3.org/2005/Atom"><entry>')).rejects.toThrow(SyntaxError);
  });
});

describe('after a gap an entry', () => {
  const MINUTE = 60_000;
  const SUBSCRIBED_AT = SINCE - 30 * DAY;
  const feedEntries: readonly WrittenEntry[] = [
    { id: 'during', publishedAt: SINCE + HOUR },
    { id: 'within the hour before', publishedAt: SINCE - HOUR },
    { id: 'before', publishedAt: SINCE - HOUR - 1 },
    { id: 'without a time' },
    { id: 'old and updated', publishedAt: SINCE - DAY, updated: SINCE + 1 },
    { id: 'within ten minutes before the subscription', publishedAt: SUBSCRIBED_AT - 10 * MINUTE },
    { id: 'before the subscription', publishedAt: SUBSCRIBED_AT - 10 * MINUTE - 1 },
  ];
  let entries: readonly TopicEntry[] = [];
  beforeAll(async () => {
    entries = await entriesOf(atom(feedEntries));
  });
  const newIds = async (rule: Partial<GapRule> = {}): Promise<readonly string[]> => {
    const fullRule = {
      since: SINCE,
      subscribedAt: SUBSCRIBED_AT,
      now: SINCE + DAY,
      tracksEntries: false,
      isMissing: () => true,
      ...rule,
    };
    const newEntries = await entriesNewAfterGap(entries, fullRule);
    return newEntries.map((entry) => feedEntries[entries.indexOf(entry)]?.id ?? '');
  };

  test('L3 is new when it is dated within the gap or the hour before, or has no date', async () => {
    expect(await newIds()).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
  });

  test('L3 is new when it is not older than ten minutes before the subscription, if entries are tracked', async () => {
    expect(await newIds({ tracksEntries: true })).toEqual([
      'during',
      'within the hour before',
      'before',
      'without a time',
      'old and updated',
      'within ten minutes before the subscription',
    ]);
  });

  test.each([true, false])(
    'L3 is not new when it is older than the subscription, whenever the gap began (tracksEntries: %s)',
    async (tracksEntries) => {
      // The hub failed for two days before it first verified the subscription.
      const rule = { since: SINCE - 2 * DAY, subscribedAt: SINCE, tracksEntries };
      expect(await newIds(rule)).toEqual(['during', 'without a time', 'old and updated']);
    },
  );

  test.each([true, false])(
    'L3 is new when it is dated within the gap, even if the clock was set back meanwhile (tracksEntries: %s)',
    async (tracksEntries) => {
      const rule = { subscribedAt: SINCE + 365 * DAY, tracksEntries };
      expect(await newIds(rule)).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
    },
  );

  test('is new only when no handler has processed it', async () => {
    const processedKey = entries[0]?.dedupeKey.key;
    expect(await newIds({ isMissing: ({ key }) => key !== processedKey })).not.toContain('during');
    expect(await newIds({ tracksEntries: true, isMissing: () => false })).toEqual([]);
  });
});
