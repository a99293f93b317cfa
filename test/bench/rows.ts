import { FIGURES, LONG_FIGURES, type FigureName } from './figures.js';
import { UsageError, type BenchOptions } from './options.js';
import { rowName, type Row, type Scenario } from './scenario.js';

/** The selection for a run. */
export interface Selection {
  readonly rows: readonly Row[];
  readonly figures: ReadonlySet<FigureName>;
  /** Rows and figures that `--quick` and `--no-peers` left out. */
  readonly leftOut: readonly string[];
}

/**
 * Selects the requested rows and figures, plus the rows they are compared with.
 *
 * @throws UsageError for an unknown name
 */
export function rowsFor(
  scenarios: readonly Scenario[],
  { only, quick, peers }: Pick<BenchOptions, 'only' | 'quick' | 'peers'>,
): Selection {
  const all = groupRows(scenarios.flatMap((scenario) => scenario.payloads.map((payload) => ({ scenario, payload }))));
  if (only.length === 0) {
    const isSelected = ({ scenario }: Row): boolean => !(quick && scenario.isLong) && (peers || !scenario.isPeer);
    const [rows, figures] = [all.filter(isSelected), FIGURES.filter((name) => !(quick && LONG_FIGURES.has(name)))];
    const leftOut = all.filter((row) => !rows.includes(row)).map(rowName);
    return {
      rows,
      figures: new Set(figures),
      leftOut: [...leftOut, ...FIGURES.filter((name) => !figures.includes(name))],
    };
  }
  const isNamed = (row: Row): boolean => only.some((name) => row.scenario.name === name || rowName(row) === name);
  const figures = FIGURES.filter((name) => only.includes(name));
  const known = new Set<string>([...FIGURES, ...all.flatMap((row) => [row.scenario.name, rowName(row)])]);
  const unknownName = only.find((name) => !known.has(name));
  if (unknownName !== undefined) {
    throw new UsageError(
      `There is no "${unknownName}": --only takes ${[...scenarios.map((scenario) => scenario.name), ...FIGURES].join(', ')}, or a row such as ${all.map(rowName).join(', ')}`,
    );
  }
  const requested = all.filter((row) => isNamed(row) && (peers || !row.scenario.isPeer));
  const rows = all.filter((row) => requested.includes(row) || requested.some((other) => floorOf(all, other) === row));
  const leftOut = all.filter((row) => isNamed(row) && !requested.includes(row)).map(rowName);
  return { rows, figures: new Set(figures), leftOut };
}

/** Groups rows that are compared, in the table and in time: same payload, same number of requests in flight. */
function groupRows(rows: readonly Row[]): readonly Row[] {
  const payloads = [...new Set(rows.map((row) => row.payload))];
  const order = ({ scenario, payload }: Row): number => payloads.indexOf(payload) * 1e6 + (scenario.connections ?? 0);
  return rows.toSorted((left, right) => order(left) - order(right));
}

/** Returns the row that a row is compared with: the same payload, and the first scenario unless it names another. */
export function floorOf(rows: readonly Row[], { scenario, payload }: Row): Row | undefined {
  const base = scenario.comparedWith ?? rows[0]?.scenario.name;
  if (base === scenario.name) return undefined;
  return rows.find((row) => row.scenario.name === base && row.payload === payload);
}
