import type { Result } from './measure.js';

const HEADER = ['scenario', 'figure', 'value', 'bound', ''];

/** Renders the results as a table. */
export function renderTable(results: readonly Result[]): string {
  const format = (value: number, unit: string): string =>
    `${value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 })} ${unit}`.trimEnd();
  const rows = results.map(({ scenario, figure, value, unit, most, isWithin }, index) => [
    results[index - 1]?.scenario === scenario ? '' : scenario,
    figure,
    format(value, unit),
    `<= ${format(most, unit)}`,
    isWithin ? '' : 'OVER',
  ]);
  const lines = [HEADER, ...rows];
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const alignedLines = lines.map((line) =>
    line
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return alignedLines.join('\n');
}
