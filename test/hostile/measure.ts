import { median } from '../bench/statistics.js';
import type { Attack, Scenario } from './scenario.js';

/** The result of one figure of a scenario. */
export interface Result {
  readonly scenario: string;
  readonly figure: string;
  readonly unit: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly most: number;
  readonly isWithin: boolean;
  readonly rounds: readonly number[];
}

/** Runs a scenario this many times, each time in a new process. */
export async function measure(scenario: Scenario, attack: Attack, rounds: number): Promise<readonly Result[]> {
  const roundFigures: Readonly<Record<string, number>>[] = [];
  for (let round = 0; round < rounds; round += 1) roundFigures.push(await scenario.run(attack));
  return resultsOf(scenario, attack, roundFigures);
}

/** Runs a scenario once. If a figure exceeds its bound, runs it twice more; the median of the three decides. */
export async function measureIfNeeded(scenario: Scenario, attack: Attack): Promise<readonly Result[]> {
  const firstRound = await scenario.run(attack);
  const results = resultsOf(scenario, attack, [firstRound]);
  if (results.every(({ isWithin }) => isWithin)) return results;
  return resultsOf(scenario, attack, [firstRound, await scenario.run(attack), await scenario.run(attack)]);
}

function resultsOf(
  scenario: Scenario,
  attack: Attack,
  roundFigures: readonly Readonly<Record<string, number>>[],
): readonly Result[] {
  return scenario.bounds.map(({ figure, unit, most }) => {
    const values = roundFigures.map((figures) => figures[figure] ?? Number.NaN);
    const value = median(values);
    const bound = most(attack.scale);
    // A missing figure is NaN, which is never within a bound.
    return { scenario: scenario.name, figure, unit, value, most: bound, isWithin: value <= bound, rounds: values };
  });
}
