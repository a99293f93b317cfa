import { FIGURES, type FigureName } from './figures.js';
import { UsageError } from './options.js';
import { rowName, type Row, type Scenario } from './scenario.js';

/**
 * The rows to be measured: those asked for, and those they are compared with.
 *
 * @throws UsageError for a name that is none
 */
export function rowsFor(
  scenarios: readonly Scenario[],
  only: readonly string[],
): { readonly rows: readonly Row[]; readonly figures: ReadonlySet<FigureName> } {
  const figures = FIGURES.filter((name) => only.length === 0 || only.includes(name));
  const deliveries = only.filter((name) => !figures.some((each) => each === name));
  const isEmpty = only.length > 0 && deliveries.length === 0;
  return { rows: isEmpty ? [] : deliveryRows(scenarios, deliveries), figures: new Set(figures) };
}

function deliveryRows(scenarios: readonly Scenario[], only: readonly string[]): readonly Row[] {
  const all = scenarios.flatMap((scenario) => scenario.payloads.map((payload) => ({ scenario, payload })));
  const isNamed = (row: Row, name: string): boolean => row.scenario.name === name || rowName(row) === name;
  for (const name of only) {
    if (all.some((row) => isNamed(row, name))) continue;
    throw new UsageError(
      `There is no "${name}": --only takes ${[...scenarios.map((each) => each.name), ...FIGURES].join(', ')}, or a row such as ${all.map(rowName).join(', ')}`,
    );
  }
  if (only.length === 0) return all;
  const asked = all.filter((row) => only.some((name) => isNamed(row, name)));
  return all.filter((row) => asked.includes(row) || asked.some((each) => floorOf(all, each) === row));
}

/** The row that a row is compared with, sent the same: the first scenario, if not another one. */
export function floorOf(rows: readonly Row[], { scenario, payload }: Row): Row | undefined {
  const base = scenario.comparedWith ?? rows[0]?.scenario.name;
  if (base === scenario.name) return undefined;
  return rows.find((row) => row.scenario.name === base && row.payload === payload);
}
