import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { subscribed } from '../../kit/subscribed.js';

interface NotificationCase {
  readonly file: string;
  readonly contentType: string;
}

const corpus = fileURLToPath(new URL('../../../../shared/corpus/', import.meta.url));
const isAvailable = existsSync(corpus);

function load(): readonly NotificationCase[] {
  const content: unknown = JSON.parse(readFileSync(`${corpus}expected.json`, 'utf8'));
  // The README of the corpus specifies its shape.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (content as { notifications: NotificationCase[] }).notifications;
}

describe.skipIf(!isAvailable)(`the notifications in ${corpus}`, () => {
  test.each([
    ['plain', {}, (bytes: Buffer) => bytes],
    ['in gzip', { 'Content-Encoding': 'gzip' }, (bytes: Buffer) => gzipSync(bytes)],
  ])('C4 C6 are delivered byte for byte if they are signed and sent %s', async (_title, headers, encode) => {
    const notifications = load();
    expect(notifications).toHaveLength(47);
    const { post, events } = await subscribed();
    const actual: unknown[] = [];
    const expected: unknown[] = [];
    for (const { file, contentType } of notifications) {
      const bytes = readFileSync(corpus + file);
      const sent = encode(bytes);
      const { status } = await post(sent, { 'Content-Type': contentType, ...headers });
      const [event] = events.splice(0);
      actual.push({
        file,
        status,
        raw: Buffer.from(event?.raw ?? []).equals(sent),
        bytes: Buffer.from(event?.bytes() ?? []).equals(bytes),
        contentType: event?.headers.get('content-type'),
        hasText: event?.text() !== '',
      });
      expected.push({ file, status: 202, raw: true, bytes: true, contentType, hasText: true });
    }
    expect(actual).toEqual(expected);
  });
});
