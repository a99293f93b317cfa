import { beforeAll, describe, expect, test } from 'vitest';
import { newAfter, topicEntries, type GapRule, type TopicEntry } from '../../src/delivery/topic-entries.js';
import { atom } from '../e2e/publisher.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = Date.parse('2026-06-01T00:00:00Z');

const entriesOf = (text: string, contentType?: string): Promise<readonly TopicEntry[]> =>
  topicEntries(
    {
      headers: contentType === undefined ? [] : [['content-type', contentType]],
      body: Buffer.from(text, 'latin1'),
      validators: {},
    },
    { subscriptionId: 's', topic: 'https://example.com/feed' },
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
    expect(inLatin1?.piece.key).toBe(escaped?.piece.key);
  });

  test('are those of one subscription', async () => {
    const text = { headers: [], body: Buffer.from(atom([{ id: 'a' }])), validators: {} };
    const [one] = await topicEntries(text, { subscriptionId: 's', topic: 'https://example.com/feed' });
    const [other] = await topicEntries(text, { subscriptionId: 't', topic: 'https://example.com/feed' });
    expect(one?.key).toBe(other?.key);
    expect(one?.piece.key).not.toBe(other?.piece.key);
  });

  test('are none where it is no feed, and a SyntaxError where it is broken', async () => {
    expect(await entriesOf('<!doctype html><p>page', 'text/html')).toEqual([]);
    await expect(entriesOf('<feed xmlns="http://www.w3.org/2005/Atom"><entry>')).rejects.toThrow(SyntaxError);
  });
});

describe('what is new after a gap', () => {
  const written = [
    { id: 'during', at: SINCE + HOUR },
    { id: 'within the hour before', at: SINCE - HOUR },
    { id: 'before', at: SINCE - HOUR - 1 },
    { id: 'without a time' },
    { id: 'old and updated', at: SINCE - DAY, updated: SINCE + 1 },
    { id: 'before the subscription', at: SINCE - 40 * DAY },
  ];
  let entries: readonly TopicEntry[] = [];
  beforeAll(async () => {
    entries = await entriesOf(atom(written));
  });
  const news = async (rule: Partial<GapRule> = {}): Promise<readonly string[]> => {
    const all = { since: SINCE, createdAt: SINCE - 30 * DAY, keepsSeen: false, isMissing: () => true, ...rule };
    const found = await newAfter(entries, all);
    return found.map((entry) => written[entries.indexOf(entry)]?.id ?? '');
  };

  test('is of its time, less an hour, or of no time', async () => {
    expect(await news()).toEqual(['during', 'within the hour before', 'without a time', 'old and updated']);
  });

  test('is also what was not handed over since there is the subscription, where that is remembered', async () => {
    expect(await news({ keepsSeen: true })).toEqual([
      'during',
      'within the hour before',
      'before',
      'without a time',
      'old and updated',
    ]);
  });

  test('is nothing that was handed over', async () => {
    const had = entries[0]?.piece.key;
    expect(await news({ isMissing: ({ key }) => key !== had })).not.toContain('during');
    expect(await news({ keepsSeen: true, isMissing: () => false })).toEqual([]);
  });
});
