import { expect, test } from 'vitest';
import { cronProblem } from '../../src/engine/cron-expression.js';

test.each(['0 * * * *', '*/10 * * * * *', '@hourly', '0 0 29 2 *'])(
  'the cron expression %s is accepted',
  (expression) => {
    expect(cronProblem(expression)).toBeUndefined();
  },
);

test.each([
  ['', 'Too few fields'],
  ['hourly', 'Unknown alias: hou'],
  ['60 * * * *', 'Field value (60) is out of range'],
  ['0 0 30 2 *', 'the date never occurs'],
])('the cron expression %j is rejected with "%s"', (expression, problem) => {
  expect(cronProblem(expression)).toBe(problem);
});
