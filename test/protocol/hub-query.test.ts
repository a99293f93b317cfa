import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesDeniedTopic, isSameTopic, matchesTopic, parseHubQuery } from '../../src/protocol/hub-query.js';

describe('the query of a hub', () => {
  test('is decoded', () => {
    const query =
      'hub.mode=subscribe&hub.topic=http%3A%2F%2Fa.test%2F%3Fb%3D1%26c&hub.challenge=a%2Bb%2F%3D&hub.lease_seconds=60' +
      '&hub.reason=no+thanks&hub.verify_token=t';
    expect(parseHubQuery(query)).toEqual({
      mode: 'subscribe',
      topic: 'http://a.test/?b=1&c',
      challenge: 'a+b/=',
      leaseSeconds: '60',
      reason: 'no thanks',
      verifyToken: 't',
    });
  });

  test('may be empty', () => {
    expect(parseHubQuery('')).toEqual({
      mode: undefined,
      topic: undefined,
      challenge: undefined,
      leaseSeconds: undefined,
      reason: undefined,
      verifyToken: undefined,
    });
  });

  test('V5 may have other parameters, and the last value of a repeated name counts', () => {
    const query = parseHubQuery(
      'id=42&%FF=%FF&hub.topic=ours&&hub.mode=denied&=&hub.topic=theirs&hub.mode=subscribe&hub.challenge',
    );
    expect(query).toMatchObject({ topic: 'theirs', mode: 'subscribe', challenge: '' });
  });

  test('may have percent-encoded names', () => {
    expect(parseHubQuery('hub%2Emode=subscribe')).toMatchObject({ mode: 'subscribe' });
  });

  test.each(['%FF', '%C3', '%zz', '%'])(
    'is refused when the challenge is %s, which could not be echoed',
    (challenge) => {
      expect(parseHubQuery(`hub.mode=subscribe&hub.challenge=${challenge}`)).toBeUndefined();
    },
  );

  test('N1 is accepted when a reason is not UTF-8', () => {
    expect(parseHubQuery('hub.mode=denied&hub.reason=%FCber+%C3%BC')).toMatchObject({
      mode: 'denied',
      reason: '\uFFFDber ü',
    });
  });

  test('has any topic and challenge unchanged after encoding and decoding', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (topic, challenge) => {
        const encoded = new URLSearchParams({ 'hub.topic': topic, 'hub.challenge': challenge }).toString();
        const query = parseHubQuery(encoded);
        expect(query).toMatchObject({ topic, challenge });
      }),
    );
  });

  test('never causes an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (query) => {
        expect(() => parseHubQuery(query)).not.toThrow();
        expect(() => matchesTopic('http://a.test/', 'x', query)).not.toThrow();
      }),
    );
  });
});

describe('V1 the topic a hub names', () => {
  test.each([
    ['the same string', 'http://a.test/feed', 'http://a.test/feed'],
    ['the same string that is no URL', 'a name', 'a name'],
    ['the same URL, normalized', 'http://a.test', 'http://A.test:80/'],
    ['the same URL, decoded', 'http://a.test/caf%C3%A9', 'http://a.test/café'],
  ])('matches if it is %s', (_name, expected, named) => {
    expect(matchesTopic(expected, named, `hub.topic=${encodeURIComponent(named)}`)).toBe(true);
  });

  test.each([
    ['another URL', 'http://a.test/feed', 'http://a.test/other'],
    ['a longer URL', 'http://a.test/feed', 'http://a.test/feed2'],
    ['the same URL in another case', 'http://a.test/feed', 'http://a.test/Feed'],
    ['the same URL with another query', 'http://a.test/?a=1&b=2', 'http://a.test/?a=1'],
    ['not a URL', 'http://a.test/feed', 'feed'],
    ['empty', 'http://a.test/feed', ''],
    ['another name', 'a name', 'another'],
  ])('does not match if it is %s', (_name, expected, named) => {
    expect(matchesTopic(expected, named, `hub.topic=${encodeURIComponent(named)}`)).toBe(false);
  });

  test.each([
    ['http://a.test/?a=1&b=2', 'hub.mode=subscribe&hub.topic=http://a.test/?a=1&b=2&hub.challenge=c'],
    ['http://a.test/?a=1&b=2', 'hub.topic=none&hub.topic=http://a.test/?a=1&b=2'],
    ['http://a.test/?q=caf%C3%A9', 'hub.topic=http://a.test/?q=caf%C3%A9&hub.mode=subscribe'],
    ['http://a.test/caf%E9', 'hub.topic=http://a.test/caf%E9&hub.mode=subscribe'],
    ['a+b', 'hub.topic=a+b&hub.mode=subscribe'],
  ])('matches when a hub sends it without encoding (%s)', (expected, query) => {
    const { topic = '' } = parseHubQuery(query) ?? {};
    expect(matchesTopic(expected, topic, query)).toBe(true);
  });

  test('is read from hub.topic only', () => {
    expect(matchesTopic('http://a.test/', 'http://b.test/', 'id=http://a.test/&hub.topic=http%3A%2F%2Fb.test%2F')).toBe(
      false,
    );
    expect(matchesTopic('http://a.test/', '', 'id=http://a.test/')).toBe(false);
  });
});

describe('V10 topics', () => {
  test.each([
    ['another case of percent-encoding', 'http://a.test/caf%C3%A9', 'http://a.test/caf%c3%a9'],
    ['encoded unreserved characters', 'http://a.test/~user/a-b_c.d', 'http://a.test/%7Euser/%61%2Db%5Fc%2ed'],
    ['the same differences in the query', 'http://a.test/?q=%2F~', 'http://a.test/?q=%2f%7e'],
    ['other spellings of scheme, host, default port and dot segments', 'https://a.test/b', 'HTTPS://A.test:443/x/../b'],
    ['not being URLs', 'a name', 'a name'],
  ])('are equal despite %s', (_name, topic, sameTopic) => {
    expect(isSameTopic(topic, sameTopic)).toBe(true);
    expect(isSameTopic(sameTopic, topic)).toBe(true);
    expect(matchesTopic(topic, sameTopic, `hub.topic=${encodeURIComponent(sameTopic)}`)).toBe(true);
  });

  test.each([
    ['an encoded reserved character', 'http://a.test/a/b', 'http://a.test/a%2Fb'],
    ['an encoded percent sign', 'http://a.test/%41', 'http://a.test/%2541'],
    ['another case', 'http://a.test/Feed', 'http://a.test/feed'],
    ['a slash at the end', 'http://a.test/feed', 'http://a.test/feed/'],
    ['another case of percent-encoding if they are not URLs', 'caf%c3%a9', 'caf%C3%A9'],
  ])('are not equal with %s', (_name, topic, otherTopic) => {
    expect(isSameTopic(topic, otherTopic)).toBe(false);
    expect(isSameTopic(otherTopic, topic)).toBe(false);
  });

  const TOPIC = 'https://publisher.example/feed?a=1&b=caf%C3%A9';
  const topicInDenial = (topic: string): string => parseHubQuery(`hub.mode=denied&hub.topic=${topic}`)?.topic ?? '';
  const encodedOnce = encodeURIComponent(TOPIC);
  const encodedTwice = encodeURIComponent(encodedOnce);

  test('match in a denial after one more decoding, but not after two', () => {
    for (const topic of [encodedOnce, encodedTwice]) {
      expect(matchesDeniedTopic(TOPIC, topicInDenial(topic), `hub.topic=${topic}`)).toBe(true);
    }
    const encodedThrice = encodeURIComponent(encodedTwice);
    expect(matchesDeniedTopic(TOPIC, topicInDenial(encodedThrice), `hub.topic=${encodedThrice}`)).toBe(false);
    expect(matchesTopic(TOPIC, topicInDenial(encodedTwice), `hub.topic=${encodedTwice}`)).toBe(false);
  });

  test('match in a denial when a hub encodes nothing', () => {
    const query = `hub.mode=denied&hub.topic=${TOPIC}&hub.reason=no`;
    expect(matchesDeniedTopic(TOPIC, parseHubQuery(query)?.topic ?? '', query)).toBe(true);
  });

  test.each([
    ['another topic', 'https://publisher.example/other'],
    ['another topic, encoded twice', encodeURIComponent('https://publisher.example/other')],
    ['an undecodable topic', 'https://publisher.example/%zz'],
    ['nothing', ''],
  ])('do not match in a denial that names %s', (_name, topic) => {
    expect(matchesDeniedTopic(TOPIC, topic, `hub.topic=${encodeURIComponent(topic)}`)).toBe(false);
  });

  test('keep a plus sign in a denial', () => {
    const topicWithPlus = 'https://publisher.example/?q=a+b';
    const encodedTopic = encodeURIComponent(encodeURIComponent(topicWithPlus));
    expect(matchesDeniedTopic(topicWithPlus, topicInDenial(encodedTopic), `hub.topic=${encodedTopic}`)).toBe(true);
    expect(matchesDeniedTopic('a name+more', topicInDenial(encodeURIComponent('a name+more')), '')).toBe(true);
    const partlyEncodedTopic = encodeURIComponent('https%3A%2F%2Fpublisher.example%2F%3Fq=a+b');
    expect(
      matchesDeniedTopic(topicWithPlus, topicInDenial(partlyEncodedTopic), `hub.topic=${partlyEncodedTopic}`),
    ).toBe(true);
  });

  test('never cause an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (topic, query) => {
        expect(() => matchesDeniedTopic('http://a.test/', topic, query)).not.toThrow();
        expect(isSameTopic(topic, topic)).toBe(true);
      }),
    );
  });
});
