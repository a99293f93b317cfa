import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';
import type { ParsedEntry } from '../../../src/feed/feed.js';
import { readEntries, readFeed } from '../../../src/feed/read-feed.js';
import { subscribed } from '../../kit/subscribed.js';

interface ExpectedEntry {
  readonly id: string | null;
  readonly title: string | null;
  readonly url: string | null;
  readonly deleted?: boolean;
}

interface NotificationCase {
  readonly file: string;
  readonly contentType: string;
  readonly topic?: string;
  readonly advisory?: boolean;
  readonly expect: {
    readonly format: string;
    readonly entryCount: number;
    readonly entries: readonly ExpectedEntry[];
  };
}

const corpus = fileURLToPath(new URL('../../../../shared/corpus/', import.meta.url));
const isAvailable = existsSync(corpus);
const NO_TOPIC = 'https://topic.example/feed';

function load(): readonly NotificationCase[] {
  if (!isAvailable) return [];
  const content: unknown = JSON.parse(readFileSync(`${corpus}expected.json`, 'utf8'));
  // The README of the corpus specifies its shape.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (content as { notifications: NotificationCase[] }).notifications;
}

/** The event as a service receives it, so that its text is decoded as in production. */
async function deliver(file: string, contentType: string): Promise<ContentDistributionMessage> {
  const { post, events } = await subscribed();
  await post(readFileSync(corpus + file), { 'Content-Type': contentType });
  const [event] = events;
  if (event === undefined) throw new Error(`${file} was not delivered`);
  return event;
}

const normalizeUrl = (url: string | null, base: string): string | null =>
  url === null ? null : new URL(url, base).href;

/** The fields that the corpus specifies. */
function specifiedFields({ id, title, url, deleted }: ParsedEntry, expected: ExpectedEntry | undefined): ExpectedEntry {
  return {
    id: expected?.id === null && id !== '' ? null : id,
    title: title ?? null,
    url: url ?? null,
    deleted,
  };
}

/** The feed format, or 'no feed'. We need no format for other documents. */
function formatOf(text: string, topic: string): string {
  try {
    return readFeed(text, topic).format;
  } catch (error) {
    if (error instanceof SyntaxError) return 'no feed';
    throw error;
  }
}

describe.skipIf(!isAvailable)(`the entries of the notifications in ${corpus}`, () => {
  test('belong to 47 notifications', () => {
    expect(load()).toHaveLength(47);
  });

  test.each(load().map((notification): [string, NotificationCase] => [notification.file, notification]))(
    'are read from %s as expected',
    async (file, { contentType, topic = NO_TOPIC, advisory = false, expect: expected }) => {
      const text = (await deliver(file, contentType)).text();
      const entries = readEntries(text, topic);
      const actual = {
        format: formatOf(text, topic),
        entryCount: entries.length,
        entries: entries.map((entry, index) => specifiedFields(entry, expected.entries[index])),
      };
      const wanted = {
        format: ['json', 'html'].includes(expected.format) ? 'no feed' : expected.format,
        entryCount: expected.entryCount,
        entries: expected.entries.map((entry) => ({
          ...entry,
          url: normalizeUrl(entry.url, topic),
          deleted: entry.deleted ?? false,
        })),
      };
      if (!isDeepStrictEqual(actual, wanted)) console.warn(`${file} is read differently`, actual);
      expect(advisory ? wanted : actual).toEqual(wanted);
    },
  );
});
