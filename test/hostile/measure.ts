import { median } from '../bench/statistics.js';
import type { Attack, Scenario } from './scenario.js';

/** What a scenario came to. */
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

/** Runs a scenario so many times, each time in a new process. */
export async function measure(scenario: Scenario, attack: Attack, rounds: number): Promise<readonly Result[]> {
  const measured: Readonly<Record<string, number>>[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push(await scenario.run(attack));
  return scenario.bounds.map(({ figure, unit, most }) => {
    const values = measured.map((figures) => figures[figure] ?? Number.NaN);
    const value = median(values);
    const bound = most(attack.scale);
    // A figure that is missing is not within anything.
    return { scenario: scenario.name, figure, unit, value, most: bound, isWithin: value <= bound, rounds: values };
  });
}
