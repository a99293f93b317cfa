import { describe, expect, test } from 'vitest';
import { readDate } from '../../../src/feed/entry/entry-date.js';

describe('a date', () => {
  test.each([
    ['RFC 3339', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['RFC 3339 with an offset', '2026-01-02T03:04:05-08:30', '2026-01-02T11:34:05.000Z'],
    ['RFC 3339 in nanoseconds', '2021-07-19T15:40:45.613264165+00:00', '2021-07-19T15:40:45.613Z'],
    ['with a tenth of a second', '2026-01-02 03:04:05.1z', '2026-01-02T03:04:05.100Z'],
    ['W3C without seconds', '2026-01-02T03:04+0100', '2026-01-02T02:04:00.000Z'],
    ['W3C without a zone, in UTC', '2026-01-02T03:04:05', '2026-01-02T03:04:05.000Z'],
    ['W3C, a day', ' 2026-01-02\n', '2026-01-02T00:00:00.000Z'],
    ['W3C, a month', '2026-01', '2026-01-01T00:00:00.000Z'],
    ['W3C, a year', '2026', '2026-01-01T00:00:00.000Z'],
    ['RFC 822', 'Sat, 07 Sep 02 00:00:01 GMT', '2002-09-07T00:00:01.000Z'],
    ['RFC 822 of the last century', '7 Sep 99 00:00 UT', '1999-09-07T00:00:00.000Z'],
    ['RFC 2822', 'Sat, 7 Sep 2002 00:00:01 -0330', '2002-09-07T03:30:01.000Z'],
    ['RFC 822 in New York', 'Sat, 07 Sep 2002 00:00:01 EDT', '2002-09-07T04:00:01.000Z'],
    ['RFC 822 in Berlin', 'Saturday, 07 September 2002 00:00:01 CEST', '2002-09-06T22:00:01.000Z'],
    ['RFC 822 with an offset from GMT', 'Sat, 07 Sep 2002 00:00:01 GMT+02:00', '2002-09-06T22:00:01.000Z'],
    ['RFC 822 in UTC', 'Sat, 07 Sep 2002 00:00:01 UTC', '2002-09-07T00:00:01.000Z'],
    ['RFC 822 without a zone, in UTC', 'Sat, 07 Sep 2002 00:00:01', '2002-09-07T00:00:01.000Z'],
    [
      'RFC 822 with an ambiguous name in a comment',
      'Sat, 07 Sep 2002 00:00:01 +0530 (IST)',
      '2002-09-06T18:30:01.000Z',
    ],
    ['with a leap second', '2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['with a year before 100', '0050-01-01', '0050-01-01T00:00:00.000Z'],
  ])('is read: %s', (_name, text, iso) => {
    expect(readDate(text)?.toISOString()).toBe(iso);
  });

  test.each([
    ['JST', '15:00'],
    ['KST', '15:00'],
    ['HKT', '16:00'],
    ['SGT', '16:00'],
    ['AWST', '16:00'],
    ['ACST', '14:30'],
    ['ACDT', '13:30'],
    ['AEST', '14:00'],
    ['AEDT', '13:00'],
    ['NZST', '12:00'],
    ['NZDT', '11:00'],
    ['jst', '15:00'],
  ])('in the zone %s is on the previous day in UTC, at %s', (zone, time) => {
    expect(readDate(`Sun, 08 Sep 2002 00:00:00 ${zone}`)?.toISOString()).toBe(`2002-09-07T${time}:00.000Z`);
  });

  test.each(['IST', 'CST', 'BST', 'AMT', 'GST', 'cst', 'XYZ', 'A', 'Y', 'constructor', '__proto__'])(
    'in the ambiguous or unknown zone %s is invalid, not read as UTC',
    (zone) => {
      expect(readDate(`Sat, 07 Sep 2002 00:00:01 ${zone}`)).toBeUndefined();
    },
  );

  test.each([
    undefined,
    '',
    'yesterday',
    'Item 1',
    '2026-13-01',
    '2026-02-30',
    '2026-00-00',
    '2026-01-01T99:00:00Z',
    '1234567890',
    'Sat, 07 Foo 2002 00:00:01 GMT',
    'Sat, 31 Feb 2002 00:00:01 GMT',
  ])('is not read from %j', (text) => {
    expect(readDate(text)).toBeUndefined();
  });

  test('is not read from a million digits', () => {
    expect(readDate('1'.repeat(1_000_000))).toBeUndefined();
  });
});
