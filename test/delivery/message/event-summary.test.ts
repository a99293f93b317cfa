import { assert, constantFrom, oneof, property, string, tuple, uint8Array } from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';
import { CALLBACK, eventOf, SECRET } from './event-of.js';

const RUNS = Number(process.env['RUNS'] ?? 500);

const jsonOf = (event: ContentDistributionMessage): unknown => JSON.parse(JSON.stringify(event));

describe('JSON.stringify(event)', () => {
  test('writes the fields of the event and its text', () => {
    expect(jsonOf(eventOf('<feed/>', 'application/atom+xml; charset=utf-8'))).toEqual({
      id: 'e1',
      service: 'news',
      topic: 'https://example.com/feed',
      source: 'hub',
      attempt: 2,
      contentType: 'application/atom+xml',
      size: 7,
      text: '<feed/>',
    });
  });

  test.each([
    ['text/plain', true],
    ['application/json', true],
    ['application/feed+json', true],
    ['application/x-www-form-urlencoded', true],
    ['application/octet-stream', false],
    ['image/png', false],
  ])('has a text for the type %s: %s', (type, hasText) => {
    expect('text' in eventOf('a=1', type).toJSON()).toBe(hasText);
  });

  test('has a text for content without a type if the bytes are text', () => {
    expect(eventOf('news\n').toJSON().text).toBe('news\n');
    expect(eventOf(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1])).toJSON()).not.toHaveProperty('text');
    expect(eventOf('text\0and more', 'text/plain').toJSON()).not.toHaveProperty('text');
  });

  test('has no text for content that could not be decoded', () => {
    expect(eventOf('not gzip', 'text/plain', { undecodable: true }).toJSON()).not.toHaveProperty('text');
  });

  test('has the size and the text of the decoded content', () => {
    const event = eventOf('zipped', 'text/plain', { decoded: Buffer.from('plain text') });
    expect(event.toJSON()).toMatchObject({ size: 10, text: 'plain text' });
  });

  test('cuts the text after 200 characters, and never splits a character', () => {
    expect(eventOf('a'.repeat(200), 'text/plain').toJSON().text).toBe('a'.repeat(200));
    expect(eventOf('a'.repeat(201), 'text/plain').toJSON().text).toBe(`${'a'.repeat(200)}…`);
    expect(eventOf('😀'.repeat(5_000), 'text/plain').toJSON().text).toBe(`${'😀'.repeat(200)}…`);
    expect(eventOf('é'.repeat(5_000), '').toJSON().text).toBe(`${'é'.repeat(200)}…`);
  });

  test('decodes only the beginning, however large the content is', () => {
    const event = eventOf(Buffer.alloc(10 * 1024 * 1024, 'a'), 'text/plain');
    const decode = vi.spyOn(TextDecoder.prototype, 'decode');
    expect(event.toJSON()).toMatchObject({ size: 10 * 1024 * 1024, text: `${'a'.repeat(200)}…` });
    inspect(event);
    const sizes = decode.mock.calls.map(([bytes]) => bytes?.byteLength ?? 0);
    decode.mockRestore();
    expect(sizes).toHaveLength(2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2048);
  });

  test('has no secret and no callback, even if the hub wrote the callback into the content', () => {
    const event = eventOf(`${'x'.repeat(190)} ${CALLBACK} ${new URL(CALLBACK).pathname}`, 'text/plain');
    for (const shown of [JSON.stringify(event), inspect(event, { showHidden: true, depth: null })]) {
      expect(shown).not.toContain('Zm9vYmFyYm');
      expect(shown).not.toContain(SECRET);
      expect(shown).not.toContain('sha256=');
    }
  });
});

test.each([CALLBACK, `text/${new URL(CALLBACK).pathname}`, `${'x'.repeat(190)}/${CALLBACK}`, 'x'.repeat(16_000)])(
  'an invalid content type is cut and shown without the callback (%#)',
  (type) => {
    const shown = eventOf('a', type).toJSON().contentType;
    expect(shown).not.toMatch(/Zm9vYmFyYm/i);
    expect(Array.from(shown).length).toBeLessThanOrEqual(201);
  },
);

describe('console.log(event)', () => {
  test('shows the summary under the name of the class', () => {
    expect(inspect(eventOf('{"a":1}', 'application/json'))).toBe(
      [
        'ContentDistributionMessage {',
        "  id: 'e1',",
        "  service: 'news',",
        "  topic: 'https://example.com/feed',",
        "  source: 'hub',",
        '  attempt: 2,',
        "  contentType: 'application/json',",
        '  size: 7,',
        `  text: '{"a":1}'`,
        '}',
      ].join('\n'),
    );
  });

  test('shows only the class name beyond the depth limit, and the summary within the limit', () => {
    const event = eventOf('a', 'text/plain');
    expect(inspect({ event }, { depth: 0 })).toBe('{ event: [ContentDistributionMessage] }');
    expect(inspect({ a: { event } })).toMatch(
      /^\{\n {2}a: \{\n {4}event: ContentDistributionMessage \{\n {6}id: 'e1',\n/,
    );
    expect(inspect({ a: { b: { event } } })).toBe('{ a: { b: { event: [ContentDistributionMessage] } } }');
    expect(inspect({ event }, { depth: null, compact: true, breakLength: Infinity })).toContain(
      "{ event: ContentDistributionMessage { id: 'e1', service: 'news',",
    );
  });
});

test('JSON.stringify and console.log never throw, whatever the content and its type', () => {
  const types = constantFrom(
    '',
    'text/plain; charset=nonsense',
    'text/plain; charset=iso-2022-jp',
    'text/xml; charset=utf-16',
    'text/plain; charset=replacement',
    'application/json; charset=shift_jis',
    ';;;',
  );
  const contents = tuple(oneof(types, string()), oneof(uint8Array({ maxLength: 3_000 }), string({ unit: 'binary' })));
  assert(
    property(contents, ([type, body]) => {
      const event = eventOf(body, type);
      expect(JSON.parse(JSON.stringify(event))).toHaveProperty('size', event.bytes().byteLength);
      expect(inspect(event)).toContain('ContentDistributionMessage');
      expect(Array.from(event.toJSON().text ?? '').length).toBeLessThanOrEqual(201);
    }),
    { numRuns: RUNS },
  );
  const loneSurrogates = eventOf(Buffer.from('\uD800a\uDC00', 'utf16le'), 'text/plain; charset=utf-16le');
  expect(JSON.stringify(loneSurrogates)).toContain('"text"');
});
