import { describe, expect, it } from 'vitest';
import { measure } from './measure.js';
import { readOptions, UsageError } from './options.js';
import { fixed, type Scenario } from './scenario.js';
import { renderTable } from './table.js';

const known = ['one', 'two'];

describe('the command line', () => {
  it('runs everything at full size, three times, by default', () => {
    expect(readOptions([], known)).toEqual({ only: [], scale: 1, rounds: 3 });
    expect(readOptions(['--help'], known)).toBeUndefined();
  });

  it('selects scenarios, their size and the rounds', () => {
    const args = ['--only', 'one', '--only', 'two', '--scale', '0.1', '--rounds', '1'];
    expect(readOptions(args, known)).toEqual({ only: ['one', 'two'], scale: 0.1, rounds: 1 });
  });

  it.each([[['--only', 'three']], [['--scale', '2']], [['--scale', 'x']], [['--rounds', '1.5']], [['--what']]])(
    'rejects %j',
    (args) => {
      expect(() => readOptions(args, known)).toThrow(UsageError);
    },
  );
});

describe('a scenario', () => {
  it('is within its bounds by the median of its rounds, and never when a figure is missing', async () => {
    let round = 0;
    const scenario: Scenario = {
      name: 'odd',
      what: 'a scenario',
      bounds: [
        { figure: 'lines', unit: '', most: (scale) => 20 * scale },
        { figure: 'blocks', unit: 'ms', most: fixed(5) },
        { figure: 'missing', unit: '', most: fixed(5) },
      ],
      run: async () => {
        round += 1;
        return { lines: 100 / round, blocks: round };
      },
    };
    const results = await measure(scenario, { subject: '', scale: 0.5 }, 3);
    expect(results.map(({ figure, value, most, isWithin }) => [figure, value, most, isWithin])).toEqual([
      ['lines', 50, 10, false],
      ['blocks', 2, 5, true],
      ['missing', Number.NaN, 5, false],
    ]);
    expect(renderTable(results).split('\n')).toEqual([
      'scenario  figure   value    bound',
      'odd       lines       50    <= 10  OVER',
      '          blocks    2 ms  <= 5 ms',
      '          missing    NaN     <= 5  OVER',
    ]);
  });
});
