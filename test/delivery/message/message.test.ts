import { describe, expect, test } from 'vitest';
import { abortEvent, ContentDistributionMessage, type MessageContext } from '../../../src/delivery/message/message.js';
import type { NewEventMeta } from '../../../src/delivery/message/event-meta.js';
import type { ReceivedContent } from '../../../src/delivery/message/received-content.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import { newSubscription } from '../../../src/subscription/record/record.js';
import { grantSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import { grant } from './event-fixtures.js';

const record = newSubscription({
  id: 's1',
  service: 'news',
  target: 'https://example.com/feed',
  declared: true,
  createdAt: 0,
});
function message(
  body: string | Uint8Array,
  contentType?: string,
  overrides: Partial<ReceivedContent & NewEventMeta & MessageContext> = {},
): ContentDistributionMessage {
  const headers: ReceivedContent['headers'] = contentType === undefined ? [] : [['Content-Type', contentType]];
  return new ContentDistributionMessage(
    { headers, raw: Buffer.from(body), ...overrides },
    { id: undefined, service: 'news', subscriptionId: 's1', grantId: grant.id, receivedAt: 1_000, ...overrides },
    {
      record,
      counters: new Counters(record.id, new Set()),
      grant,
      attempt: 1,
      isAborted: false,
      changeOf: () => 'new',
      ...overrides,
    },
  );
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const utf16be = (text: string): Uint8Array => Buffer.from(text, 'utf16le').swap16();

describe('an event', () => {
  test('has an id that is generated on first use and then stays the same', () => {
    const [one, other] = [message('a'), message('a')];
    expect(one.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(one.id).toBe(one.id);
    expect(other.id).not.toBe(one.id);
    expect(message('a', undefined, { id: 'stored' }).id).toBe('stored');
  });

  test('has a digest of its subscription and its decoded body', () => {
    const digest = message('a').digest;
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(message('a', 'text/plain').digest).toBe(digest);
    expect(message('zipped', undefined, { decoded: Buffer.from('a') }).digest).toBe(digest);
    expect(message('b').digest).not.toBe(digest);
    expect(message('a', undefined, { subscriptionId: 's2' }).digest).not.toBe(digest);
  });

  test('has its time of reception, its source, and the number of this handler run', () => {
    const event = message('a', undefined, { attempt: 3 });
    expect(event).toMatchObject({ receivedAt: new Date(1_000), source: 'hub', attempt: 3 });
    expect(event.subscription).toMatchObject({ id: 's1', service: 'news' });
    expect(event.subscription).toBe(event.subscription);
    expect(event.grant).toEqual(grantSnapshot(grant));
    expect(event.grant).toBe(event.grant);
  });

  test('has its headers as sent, with all values of a repeated name', () => {
    const { headers } = message('a', 'text/plain', {
      headers: [
        ['X-One', '1'],
        ['x-many', 'a'],
        ['X-Many', 'b'],
      ],
    });
    expect([...headers]).toEqual([
      ['x-many', 'a, b'],
      ['x-one', '1'],
    ]);
  });

  test.each([
    ['Application/Atom+XML; charset=UTF-8', 'application/atom+xml'],
    ['text/plain', 'text/plain'],
    [' text/plain ;x=1', 'text/plain'],
    [undefined, ''],
  ])('with the content type %j has the media type %j', (header, type) => {
    expect(message('a', header).contentType).toBe(type);
  });

  test('has the first of two content types', () => {
    const headers = [
      ['content-type', 'text/html'],
      ['Content-Type', 'text/plain'],
    ] as const;
    expect(message('a', undefined, { headers }).contentType).toBe('text/html');
  });

  test('has the links of one or several headers', () => {
    const headers = [
      ['Link', '<https://hub.example/>; rel="hub", <https://other.example/>; rel=hub'],
      ['link', '</feed>; rel="self"'],
    ] as const;
    expect(message('a', undefined, { headers }).links).toEqual({
      hub: ['https://hub.example/', 'https://other.example/'],
      self: 'https://example.com/feed',
    });
    expect(message('a').links).toEqual({ hub: [] });
  });

  test('has a signal of its own, which is not aborted with another event', () => {
    const [one, other] = [message('a'), message('b')];
    const { signal } = one;
    expect(one.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    abortEvent(one);
    expect([signal.aborted, other.signal.aborted]).toEqual([true, false]);
  });

  test('has an aborted signal if it was aborted before its signal is read', () => {
    const abortedLater = message('a');
    abortEvent(abortedLater);
    expect(abortedLater.signal.aborted).toBe(true);
    expect(message('a', undefined, { isAborted: true }).signal.aborted).toBe(true);
  });
});

describe('the bytes of an event', () => {
  test('C4 are the body as a plain Uint8Array, from a socket or from the store', () => {
    const event = message('é');
    expect(event.raw).toStrictEqual(new Uint8Array([0xc3, 0xa9]));
    expect(event.bytes()).toBe(event.raw);
    const stored = new Uint8Array([1, 2]);
    expect(message(stored, undefined, { raw: stored }).raw).toBe(stored);
  });

  test('C6 are encoded in raw, and decoded in bytes()', () => {
    const event = message('zipped', 'text/plain', { decoded: Buffer.from('plain') });
    expect(event.raw).toStrictEqual(new Uint8Array(Buffer.from('zipped')));
    expect(event.bytes()).toStrictEqual(new Uint8Array(Buffer.from('plain')));
    expect([event.text(), event.undecodable]).toEqual(['plain', false]);
  });

  test('C6 are unchanged and flagged if they could not be decoded', () => {
    const event = message('odd', 'text/plain', { undecodable: true });
    expect([event.text(), event.undecodable]).toEqual(['odd', true]);
  });

  test('C5 are empty in every form for a thin ping', () => {
    const event = message('');
    expect(event.raw).toStrictEqual(new Uint8Array());
    expect([event.text(), [...event.form()]]).toEqual(['', []]);
    expect(event.content).toStrictEqual(new Uint8Array());
  });
});

describe('the text of an event', () => {
  test.each([
    ['UTF-8 by default', 'é', undefined],
    ['UTF-8 by the header', 'é', 'text/plain; charset=utf-8'],
    ['windows-1252 by the header', latin1('\xe9'), 'text/plain; charset=windows-1252'],
    ['windows-1252 under its other name', latin1('\xe9'), 'text/plain; charset="ISO-8859-1"'],
    [
      'windows-1252 by the XML declaration',
      latin1('<?xml version="1.0" encoding="windows-1252"?><a>\xe9</a>'),
      'text/xml',
    ],
    [
      'windows-1252 by the header over the XML declaration',
      latin1('<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>'),
      'text/xml;charset=latin1',
    ],
    ['UTF-8 by its byte order mark over the header', Buffer.from('\uFEFFé'), 'text/plain; charset=windows-1252'],
    ['UTF-16 by its byte order mark', Buffer.from('\uFEFFé', 'utf16le'), 'text/plain'],
    ['big-endian UTF-16 by its byte order mark', utf16be('\uFEFFé'), 'text/plain'],
    ['UTF-16 by its zero bytes', Buffer.from('<a>é</a>', 'utf16le'), 'text/xml'],
    ['UTF-16 by the header', Buffer.from('日本é', 'utf16le'), 'text/plain; charset=utf-16le'],
    ['big-endian UTF-16 by the header', utf16be('あé'), 'text/plain; charset=utf-16be'],
    ['UTF-8 if the header names an unknown charset', 'é', 'text/plain; charset=martian'],
    ['UTF-8 if it is JSON, whatever the header says', '"é"', 'application/feed+json; charset=latin1'],
  ])('C4 is read as %s', (_name, body, contentType) => {
    const text = message(body, contentType).text();
    expect(text).toContain('é');
    expect(text).not.toContain('\uFEFF');
  });

  test('C4 has replacement characters for invalid bytes, and does not throw', () => {
    expect(message(latin1('a\xff'), 'text/plain').text()).toBe('a\uFFFD');
  });

  test('is decoded once', () => {
    const raw = Buffer.from('one');
    const event = message('', 'text/plain', { raw });
    expect(event.text()).toBe('one');
    raw.write('two');
    expect(event.text()).toBe('one');
  });
});

describe('the content of an event', () => {
  test.each([
    ['JSON as a value', '{"a":[1]}', 'application/json', { a: [1] }],
    ['JSON by its suffix', '\uFEFF[1]', 'application/feed+json; charset=utf-8', [1]],
    ['a form as a record', 'a=1+2&b=%C3%A9&a=3', 'application/x-www-form-urlencoded', { a: '3', b: 'é' }],
    ['text as text', 'é', 'text/plain', 'é'],
    ['XML as text', '<a/>', 'application/xml', '<a/>'],
    ['XML by its suffix', '<feed/>', 'application/atom+xml', '<feed/>'],
    ['anything else as bytes', 'é', 'image/png', new Uint8Array([0xc3, 0xa9])],
    ['content without a type as bytes', 'é', undefined, new Uint8Array([0xc3, 0xa9])],
  ])('C4 is %s', (_name, body, contentType, expected) => {
    expect(message(body, contentType).content).toStrictEqual(expected);
  });

  test('D12 is read by json() up to 512 levels of nesting', () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}"]"${']'.repeat(depth)}`;
    expect(message(nested(512)).json()).toBeInstanceOf(Array);
    expect(() => message(nested(513)).json()).toThrow(new RangeError('The JSON is nested more than 512 levels deep'));
    expect(() => message('['.repeat(10_000_000)).json()).toThrow(RangeError);
    const wide = JSON.stringify(Array.from({ length: 10_000 }, () => ({ text: '[[[[{{{{"' })));
    expect(message(wide).json()).toHaveLength(10_000);
  });

  test('C4 is read by json() and form() whatever its type', () => {
    expect(message('{"a":1}', 'text/plain').json<{ a: number }>().a).toBe(1);
    expect(message('a=1&a=2', 'text/plain').form().getAll('a')).toEqual(['1', '2']);
  });

  test('C4 throws only on use if it is not JSON', () => {
    const event = message('{', 'application/json');
    expect(() => event.json()).toThrow(SyntaxError);
    expect(() => event.content).toThrow(SyntaxError);
    expect(event.text()).toBe('{');
  });
});
