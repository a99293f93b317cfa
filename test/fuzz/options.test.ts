import { expect, test } from 'vitest';
import { readOptions, UsageError } from './options.js';

const KNOWN = ['feed', 'date'];

test('a run without options has defaults', () => {
  expect(readOptions([], KNOWN)).toEqual({
    only: [],
    minutes: 30,
    seed: 1,
    inputs: 1_000_000,
    input: undefined,
    large: false,
  });
});

test('options are parsed', () => {
  const args = ['--minutes', '0.5', '--only', 'feed', '--seed', '7', '--inputs', '9', '--input', '3', '--large'];
  expect(readOptions(args, KNOWN)).toEqual({
    only: ['feed'],
    minutes: 0.5,
    seed: 7,
    inputs: 9,
    input: 3,
    large: true,
  });
  expect(readOptions(['--help'], KNOWN)).toBeUndefined();
});

test.each([
  [['--only', 'page'], /--only page: the targets are feed, date/],
  [['--minutes', '0'], /--minutes is a number above 0, not 0/],
  [['--seed', 'x'], /--seed is a whole number, not x/],
  [['--input', '3'], /--input needs the target/],
  [['--quick'], /--quick/],
])('%j is a usage error', (args, message) => {
  expect(() => readOptions(args, KNOWN)).toThrow(UsageError);
  expect(() => readOptions(args, KNOWN)).toThrow(message);
});
