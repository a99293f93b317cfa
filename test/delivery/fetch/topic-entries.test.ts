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
  test('have the later of their times', async () => {
    const content = atom([{ id: 'a', at: SINCE, updated: SINCE + DAY }, { id: 'b', at: SINCE }, { id: 'c' }]);
    const entries = await entriesOf(content);
    expect(entries.map(({ at }) => at)).toEqual([SINCE + DAY, SINCE, undefined]);
  });

  test('are read in the charset of the answer', async () => {
    const [inLatin1] = await entriesOf(atom([{ id: '\u00e9' }]), 'text/xml; charset=iso-8859-1');
    const [escaped] = await entriesOf(atom([{ id: '&#233;' }]));
    expect(inLatin1?.dedupeKey.key).toBe(escaped?.dedupeKey.key);
  });

  test('are those of one subscription', async () => {
    const content = {
      url: 'https://example.com/feed',
      headers: [],
      body: Buffer.from(atom([{ id: 'a' }])),
      validators: {},
    };
    const [one] = await topicEntries(content, { subscriptionId: 's' });
    const [other] = await topicEntries(content, { subscriptionId: 't' });
    expect(one?.key).toBe(other?.key);
    expect(one?.dedupeKey.key).not.toBe(other?.dedupeKey.key);
  });

  test('are none if it is not a feed; broken content is a SyntaxError', async () => {
    expect(await entriesOf('<!doctype html><p>page', 'text/html')).toEqual([]);
    await expect(entriesOf('<feed xmlns="http://www.w3.org/2005/Atom"><entry>')).rejects.toThrow(SyntaxError);
  });
});

describe('an entry is new after a gap', () => {
  const MINUTE = 60_000;
  const BEGAN = SINCE - 30 * DAY;
  const feedEntries = [
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
    entries = await entriesOf(atom(feedEntries));
  });
  const newIds = async (rule: Partial<GapRule> = {}): Promise<readonly string[]> => {
    const fullRule = {
      since: SINCE,
      subscribedAt: BEGAN,
      now: SINCE + DAY,
      tracksEntries: false,
      isMissing: () => true,
      ...rule,
    };
    const newEntries = await entriesNewAfterGap(entries, fullRule);
    return newEntries.map((entry) => feedEntries[entries.indexOf(entry)]?.id ?? '');
  };

  test('L3 when it is dated within the gap or the hour before, or is undated', async () => {
    expect(await newIds()).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
  });

  test('L3 when it was not processed since ten minutes before the subscription, if entries are tracked', async () => {
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
    'L3 never when it is older than the subscription, whenever the gap began (tracksEntries: %s)',
    async (tracksEntries) => {
      // Its hub failed for two days before it first verified.
      const rule = { since: SINCE - 2 * DAY, subscribedAt: SINCE, tracksEntries };
      expect(await newIds(rule)).toEqual(['during', 'without a time', 'old and updated']);
    },
  );

  test.each([true, false])(
    'L3 when it is dated within the gap, although the clock was set back since the subscription began (tracksEntries: %s)',
    async (tracksEntries) => {
      const rule = { subscribedAt: SINCE + 365 * DAY, tracksEntries };
      expect(await newIds(rule)).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
    },
  );

  test('only when no handler has processed it', async () => {
    const processedKey = entries[0]?.dedupeKey.key;
    expect(await newIds({ isMissing: ({ key }) => key !== processedKey })).not.toContain('during');
    expect(await newIds({ tracksEntries: true, isMissing: () => false })).toEqual([]);
  });
});
