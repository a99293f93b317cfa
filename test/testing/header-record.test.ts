import { expect, test } from 'vitest';
import { headersFrom } from '../../src/testing/header-record.js';

test('a header can have one value, several, or none', () => {
  const headers = headersFrom({ one: 'a', several: ['b', 'c'], none: undefined });
  expect([...headers]).toEqual([
    ['one', 'a'],
    ['several', 'b, c'],
  ]);
});
