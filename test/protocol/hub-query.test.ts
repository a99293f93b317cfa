import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTopic, readHubQuery } from '../../src/protocol/hub-query.js';

describe('the query of a hub', () => {
  test('has its parameters decoded', () => {
    const query =
      'hub.mode=subscribe&hub.topic=http%3A%2F%2Fa.test%2F%3Fb%3D1%26c&hub.challenge=a%2Bb%2F%3D&hub.lease_seconds=60' +
      '&hub.reason=no+thanks&hub.verify_token=t';
    expect(readHubQuery(query)).toEqual({
      mode: 'subscribe',
      topic: 'http://a.test/?b=1&c',
      challenge: 'a+b/=',
      leaseSeconds: '60',
      reason: 'no thanks',
      verifyToken: 't',
    });
  });

  test('may have none', () => {
    expect(readHubQuery('')).toEqual({
      mode: undefined,
      topic: undefined,
      challenge: undefined,
      leaseSeconds: undefined,
      reason: undefined,
      verifyToken: undefined,
    });
  });

  test('V5 may carry others, and of those given twice the last one counts', () => {
    const query = readHubQuery(
      'id=42&%FF=%FF&hub.topic=ours&&hub.mode=denied&=&hub.topic=theirs&hub.mode=subscribe&hub.challenge',
    );
    expect(query).toMatchObject({ topic: 'theirs', mode: 'subscribe', challenge: '' });
  });

  test('may have percent-encoded names', () => {
    expect(readHubQuery('hub%2Emode=subscribe')).toMatchObject({ mode: 'subscribe' });
  });

  test.each(['%FF', '%C3', '%zz', '%'])(
    'is refused where the challenge is %s, which could not be sent back',
    (challenge) => {
      expect(readHubQuery(`hub.mode=subscribe&hub.challenge=${challenge}`)).toBeUndefined();
    },
  );

  test('N1 is not refused where a reason is not UTF-8', () => {
    expect(readHubQuery('hub.mode=denied&hub.reason=%FCber+%C3%BC')).toMatchObject({
      mode: 'denied',
      reason: '\uFFFDber ü',
    });
  });

  test('gives back whatever was encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (topic, challenge) => {
        const encoded = new URLSearchParams({ 'hub.topic': topic, 'hub.challenge': challenge }).toString();
        const read = readHubQuery(encoded);
        expect(read).toMatchObject({ topic, challenge });
      }),
    );
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (query) => {
        expect(() => readHubQuery(query)).not.toThrow();
        expect(() => isTopic('http://a.test/', 'x', query)).not.toThrow();
      }),
    );
  });
});

describe('V1 the topic named', () => {
  test.each([
    ['the same string', 'http://a.test/feed', 'http://a.test/feed'],
    ['the same string, not a URL', 'a name', 'a name'],
    ['the same URL, normalised', 'http://a.test', 'http://A.test:80/'],
    ['the same URL, decoded', 'http://a.test/caf%C3%A9', 'http://a.test/café'],
  ])('is ours: %s', (_what, expected, named) => {
    expect(isTopic(expected, named, `hub.topic=${encodeURIComponent(named)}`)).toBe(true);
  });

  test.each([
    ['another', 'http://a.test/feed', 'http://a.test/other'],
    ['longer', 'http://a.test/feed', 'http://a.test/feed2'],
    ['another case', 'http://a.test/feed', 'http://a.test/Feed'],
    ['another query', 'http://a.test/?a=1&b=2', 'http://a.test/?a=1'],
    ['no URL', 'http://a.test/feed', 'feed'],
    ['empty', 'http://a.test/feed', ''],
    ['another name', 'a name', 'another'],
  ])('is not ours: %s', (_what, expected, named) => {
    expect(isTopic(expected, named, `hub.topic=${encodeURIComponent(named)}`)).toBe(false);
  });

  test.each([
    ['http://a.test/?a=1&b=2', 'hub.mode=subscribe&hub.topic=http://a.test/?a=1&b=2&hub.challenge=c'],
    ['http://a.test/?a=1&b=2', 'hub.topic=none&hub.topic=http://a.test/?a=1&b=2'],
    ['http://a.test/?q=caf%C3%A9', 'hub.topic=http://a.test/?q=caf%C3%A9&hub.mode=subscribe'],
    ['http://a.test/caf%E9', 'hub.topic=http://a.test/caf%E9&hub.mode=subscribe'],
    ['a+b', 'hub.topic=a+b&hub.mode=subscribe'],
  ])('is ours when a hub does not encode it: %s', (expected, query) => {
    const { topic = '' } = readHubQuery(query) ?? {};
    expect(isTopic(expected, topic, query)).toBe(true);
  });

  test('is looked for nowhere else', () => {
    expect(isTopic('http://a.test/', 'http://b.test/', 'id=http://a.test/&hub.topic=http%3A%2F%2Fb.test%2F')).toBe(
      false,
    );
    expect(isTopic('http://a.test/', '', 'id=http://a.test/')).toBe(false);
  });
});
