import { FIGURES, LONG_FIGURES, type FigureName } from './figures.js';
import { UsageError, type BenchOptions } from './options.js';
import { rowName, type Row, type Scenario } from './scenario.js';

/** What is measured in a run. */
export interface Chosen {
  readonly rows: readonly Row[];
  readonly figures: ReadonlySet<FigureName>;
  /** What would be, but for `--quick` and `--no-peers`. */
  readonly leftOut: readonly string[];
}

/**
 * What is to be measured: what was asked for, and what it is compared with.
 *
 * @throws UsageError for a name that is none
 */
export function rowsFor(
  scenarios: readonly Scenario[],
  { only, quick, peers }: Pick<BenchOptions, 'only' | 'quick' | 'peers'>,
): Chosen {
  const all = grouped(scenarios.flatMap((scenario) => scenario.payloads.map((payload) => ({ scenario, payload }))));
  if (only.length === 0) {
    const isIn = ({ scenario }: Row): boolean => !(quick && scenario.isLong) && (peers || !scenario.isPeer);
    const [rows, figures] = [all.filter(isIn), FIGURES.filter((name) => !(quick && LONG_FIGURES.has(name)))];
    const without = all.filter((row) => !rows.includes(row)).map(rowName);
    return {
      rows,
      figures: new Set(figures),
      leftOut: [...without, ...FIGURES.filter((name) => !figures.includes(name))],
    };
  }
  const isNamed = (row: Row): boolean => only.some((name) => row.scenario.name === name || rowName(row) === name);
  const figures = FIGURES.filter((name) => only.includes(name));
  const known = new Set<string>([...FIGURES, ...all.flatMap((row) => [row.scenario.name, rowName(row)])]);
  const unknown = only.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `There is no "${unknown}": --only takes ${[...scenarios.map((each) => each.name), ...FIGURES].join(', ')}, or a row such as ${all.map(rowName).join(', ')}`,
    );
  }
  const asked = all.filter((row) => isNamed(row) && (peers || !row.scenario.isPeer));
  const rows = all.filter((row) => asked.includes(row) || asked.some((each) => floorOf(all, each) === row));
  const without = all.filter((row) => isNamed(row) && !asked.includes(row)).map(rowName);
  return { rows, figures: new Set(figures), leftOut: without };
}

/** What is compared stands together, in the table and in time: that of one payload, and with as many requests in flight. */
function grouped(rows: readonly Row[]): readonly Row[] {
  const payloads = [...new Set(rows.map((row) => row.payload))];
  const order = ({ scenario, payload }: Row): number => payloads.indexOf(payload) * 1e6 + (scenario.connections ?? 0);
  return rows.toSorted((one, other) => order(one) - order(other));
}

/** The row that a row is compared with, sent the same: the first scenario, if not another one. */
export function floorOf(rows: readonly Row[], { scenario, payload }: Row): Row | undefined {
  const base = scenario.comparedWith ?? rows[0]?.scenario.name;
  if (base === scenario.name) return undefined;
  return rows.find((row) => row.scenario.name === base && row.payload === payload);
}
