import { expect, test } from 'vitest';
import { headersFrom } from '../../src/testing/header-record.js';

test('one value, several and none', () => {
  const headers = headersFrom({ one: 'a', several: ['b', 'c'], none: undefined });
  expect([...headers]).toEqual([
    ['one', 'a'],
    ['several', 'b, c'],
  ]);
});
