import { availableParallelism } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { READERS, type FeedDocument } from '../../../src/feed/feed-document.js';
import { canParseInline, parseEntries, parseFeed, parseVersions } from '../../../src/feed/parse/parse.js';
import { ParseThread } from '../../../src/feed/parse/parse-thread.js';
import { failureOf } from '../../kit/failure-of.js';

const documentOf = (text: string, contentType = 'application/atom+xml'): FeedDocument => ({
  bytes: Buffer.from(text),
  contentType,
  baseUrl: 'https://topic.example/',
  subscriptionId: 's',
});

const entryOf = (id: number): string =>
  `<entry><id>${id}</id><title>Title ${id}</title><link href="/${id}"/><updated>2026-01-01T00:00:00Z</updated>
  <content type="html">${'word '.repeat(20)}</content></entry>`;
const feedOf = (count: number): string =>
  `<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><author><name>Ann</name></author>${Array.from({ length: count }, (_, id) => entryOf(id)).join('')}</feed>`;

const largeDocument = documentOf(feedOf(2_000));
const smallDocument = documentOf(feedOf(2));
const LIMITS = { heapMb: 256, documentMs: 30_000, idleMs: 60_000 };

describe('parsing', () => {
  test('runs inline for a cheap document, and in a thread for any other', () => {
    expect(canParseInline(smallDocument.bytes)).toBe(true);
    expect(parseEntries(smallDocument)).toMatchObject({ entries: [{ id: '0' }, { id: '1' }] });
    for (const text of [
      'x'.repeat(65_537),
      '<a>'.repeat(501),
      '[]'.repeat(501),
      '&a;'.repeat(2_001),
      'a="" '.repeat(2_001),
    ]) {
      expect(canParseInline(Buffer.from(text))).toBe(false);
    }
    expect(canParseInline(Buffer.from('x'.repeat(65_536)))).toBe(true);
  });

  test('gives the same result in a thread as inline', async () => {
    expect(await parseEntries(largeDocument)).toStrictEqual(READERS.entries(largeDocument));
    expect(await parseVersions(largeDocument)).toStrictEqual(READERS.versions(largeDocument));
    expect(await parseFeed(largeDocument)).toStrictEqual(READERS.feed(largeDocument));
  });

  test('does not change the bytes, and decodes them by the charset of the content type', async () => {
    const latin1Document = {
      ...documentOf('', 'application/atom+xml; charset=iso-8859-1'),
      bytes: Buffer.from(feedOf(1_000).replaceAll('Title', '\u00e9'), 'latin1'),
    };
    const originalBytes = Buffer.from(latin1Document.bytes);
    const { entries } = await parseEntries(latin1Document);
    expect(entries[0]?.title).toBe('\u00e9 0');
    expect(originalBytes.equals(latin1Document.bytes)).toBe(true);
  });

  test('D12 in a thread rejects with the class and message of the error', async () => {
    const brokenDocument = documentOf(feedOf(1_000).replace('</feed>', ''));
    await expect(parseEntries(brokenDocument)).rejects.toThrow(SyntaxError);
    await expect(parseEntries(brokenDocument)).rejects.toThrow(/is not closed/);
    const tooManyEntries = documentOf(`<feed>${'<entry/>'.repeat(50_001)}</feed>`);
    await expect(parseVersions(tooManyEntries)).rejects.toThrow(RangeError);
    await expect(parseVersions(tooManyEntries)).rejects.toThrow('The feed has more than 50000 entries');
    await expect(parseFeed(documentOf('x'.repeat(100_000)))).rejects.toThrow(/is not a feed/);
  });

  test('handles many documents at once', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, async () => parseVersions(largeDocument)));
    expect(results.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 2_000));
  });

  test('refuses a document when too many wait', async () => {
    const document = { ...largeDocument, bytes: Buffer.alloc(40 * 1024 * 1024, ' ') };
    const results = await Promise.allSettled(Array.from({ length: 7 }, async () => parseVersions(document)));
    const refused = results.filter(({ status }) => status === 'rejected');
    // Each thread takes one document, and three more fill the queue.
    expect(refused).toHaveLength(availableParallelism() > 2 ? 2 : 3);
    expect(refused[0]).toMatchObject({
      reason: {
        message: expect.stringMatching(/^The document was not parsed, because the queue of the parser is full/),
      },
    });
  });
});

describe('a parse thread', () => {
  test('D12 that runs out of memory rejects only its document', async () => {
    const thread = new ParseThread({ ...LIMITS, heapMb: 16 });
    await expect(thread.read('feed', documentOf(feedOf(8_000)))).rejects.toThrow(RangeError);
    await expect(thread.read('feed', documentOf(feedOf(8_000)))).rejects.toThrow(/more than 16 MiB/);
    expect(await thread.read('versions', documentOf(feedOf(20)))).toHaveLength(20);
  });

  test('D12 that runs out of time stops, and rejects only its document', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const thread = new ParseThread(LIMITS);
    const failure = failureOf(thread.read('versions', largeDocument));
    await vi.advanceTimersByTimeAsync(30_000);
    const error = await failure;
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toMatch(/longer than 30 s/);
    expect([thread.isBusy, thread.isStarted]).toEqual([false, false]);
    expect(await thread.read('versions', smallDocument)).toHaveLength(2);
  });

  test('that was idle for a while stops, and the next document gets a new thread', async () => {
    const thread = new ParseThread({ ...LIMITS, idleMs: 1 });
    expect(await thread.read('versions', largeDocument)).toHaveLength(2_000);
    await expect.poll(() => thread.isStarted).toBe(false);
    expect(await thread.read('versions', largeDocument)).toHaveLength(2_000);
  });
});
