import { assert, constantFrom, oneof, property, string, tuple, uint8Array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toCloudEvent } from 'websub-subscriber';
import { CALLBACK, eventOf, SECRET } from './event-of.js';

const RUNS = Number(process.env['RUNS'] ?? 500);
const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

describe('the result of toCloudEvent(event)', () => {
  test('is a CloudEvents 1.0 object', () => {
    const event = eventOf('<feed/>', 'application/atom+xml; charset=utf-8');
    expect(toCloudEvent(event)).toStrictEqual({
      specversion: '1.0',
      type: 'org.w3.websub.content-distribution',
      id: 'e1',
      source: 'https://example.com/feed',
      time: '1970-01-01T00:00:00.000Z',
      datacontenttype: 'application/atom+xml; charset=utf-8',
      data: '<feed/>',
      websubservice: 'news',
      websubsubscription: 's1',
      websubsource: 'hub',
      websubattempt: 2,
    });
  });

  test.each([
    ['application/json', '{"a":[1,null]}', { a: [1, null] }],
    ['application/feed+json; charset=utf-8', '"text"', 'text'],
    ['application/json', 'null', null],
    ['text/json', '{"a":1}', { a: 1 }],
    ['application/json;charset=utf-8', '1', 1],
  ])('has content of %s as a JSON value: %s', (type, body, data) => {
    const cloudEvent = toCloudEvent(eventOf(body, type));
    expect(cloudEvent).toMatchObject({ data, datacontenttype: type });
    expect(cloudEvent).not.toHaveProperty('data_base64');
  });

  test.each(['text/plain', 'text/html; charset=utf-8', 'application/rss+xml', 'application/x-www-form-urlencoded'])(
    'has content of %s as text',
    (type) => {
      expect(toCloudEvent(eventOf('a=é', type))).toMatchObject({ data: 'a=é', datacontenttype: type });
    },
  );

  test('has text decoded by its charset', () => {
    const event = eventOf(Buffer.from('é', 'latin1'), 'text/plain; charset=iso-8859-1');
    expect(toCloudEvent(event).data).toBe('é');
  });

  test.each([
    ['binary content', 'image/png', 'image/png'],
    ['content without a type', undefined, 'application/octet-stream'],
    ['content of an invalid type', 'text', 'application/octet-stream'],
    ['invalid JSON', 'application/json', 'application/json'],
  ])('has %s in base64', (_name, type, datacontenttype) => {
    const cloudEvent = toCloudEvent(eventOf('{"a":', type));
    expect(cloudEvent).toMatchObject({ data_base64: base64('{"a":'), datacontenttype });
    expect(cloudEvent).not.toHaveProperty('data');
  });

  test('has JSON that is nested too deep in base64', () => {
    const body = '['.repeat(1_000) + ']'.repeat(1_000);
    expect(toCloudEvent(eventOf(body, 'application/json'))).toHaveProperty('data_base64', base64(body));
  });

  test('has the decoded bytes, or the bytes as sent if they could not be decoded', () => {
    const undecodable = toCloudEvent(eventOf('no gzip', 'text/plain', { undecodable: true }));
    expect(undecodable).toMatchObject({ data_base64: base64('no gzip'), datacontenttype: 'text/plain' });
    expect(toCloudEvent(eventOf('zipped', 'image/png', { decoded: Buffer.from('a') }))).toMatchObject({
      data_base64: base64('a'),
    });
  });

  test('has the first of several content types, without characters that an attribute cannot contain', () => {
    const headers = [
      ['Content-Type', 'text/plain'],
      ['Content-Type', 'text/html'],
    ] as const;
    expect(toCloudEvent(eventOf('a', undefined, { headers })).datacontenttype).toBe('text/plain');
    expect(toCloudEvent(eventOf('a', 'text/plain; name=é')).datacontenttype).toBe('text/plain');
  });

  test.each([
    ['urn:uuid:1', 'urn:uuid:1'],
    ['news of today', 'news%20of%20today'],
    ['https://example.com/é?q=%C3%A9', 'https://example.com/%C3%A9?q=%C3%A9'],
    ['100%', '100%25'],
    ['a\uD800"<>\\^`{|}', 'a%EF%BF%BD%22%3C%3E%5C%5E%60%7B%7C%7D'],
  ])('has the topic %j as the URI reference %j', (topic, source) => {
    expect(toCloudEvent(eventOf('a', 'text/plain', { topic })).source).toBe(source);
  });

  test('has no secret, no callback, and only attribute names that CloudEvents allows', () => {
    const cloudEvent = toCloudEvent(eventOf('a', 'text/plain'));
    expect(JSON.stringify(cloudEvent)).not.toContain(CALLBACK);
    expect(JSON.stringify(cloudEvent)).not.toContain(SECRET);
    for (const name of Object.keys(cloudEvent)) expect(name).toMatch(/^[\da-z]{1,20}$/);
  });

  test('is valid for any content, and survives JSON', () => {
    const types = constantFrom(
      'application/json',
      'text/plain; charset=utf-16',
      'text/xml; charset=nonsense',
      ';;;',
      '',
    );
    const inputs = tuple(
      oneof(types, string()),
      oneof(uint8Array({ maxLength: 300 }), string({ unit: 'binary' })),
      string(),
    );
    assert(
      property(inputs, ([type, body, topic]) => {
        const cloudEvent = toCloudEvent(eventOf(body, type, { topic }));
        expect('data' in cloudEvent).not.toBe('data_base64' in cloudEvent);
        expect(cloudEvent.datacontenttype).toMatch(/^[\x20-\x7E]+$/);
        expect(cloudEvent.source).toMatch(/^[\x21-\x7E]*$/);
        expect(JSON.parse(JSON.stringify(cloudEvent))).toHaveProperty('id', 'e1');
      }),
      { numRuns: RUNS },
    );
  });
});
