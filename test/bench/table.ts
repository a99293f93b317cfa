import type { Figure } from './figure.js';
import type { Report, RowReport } from './report.js';
import type { Comparison } from './statistics.js';

/** Above this fraction, the load generator is the bottleneck. */
const BUSY = 0.9;

/** Renders the report for a person. */
export function renderTable(report: Report): string {
  const { machine, cores, rounds, seconds, scenarios, rows, figures } = report;
  return [
    `${machine.package}, node ${machine.node}, ${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
    `${rounds} rounds of ${seconds} s, the rows taking turns in each; kept-alive connections, one request in flight on each`,
    cores === undefined
      ? 'server and load generator NOT kept apart (that takes Linux, taskset and two cores): they may slow each other down'
      : `server kept on core ${cores.server}, load generator on core ${cores.load}`,
    '',
    ...(rows.length === 0 ? [] : [...tableLines(rows), '']),
    ...figureLines(figures),
    'Medians of the rounds. "× floor" is the median of the ratios to the floor in the same round, with the lowest and the highest:',
    'more is better for the rate, less for CPU (user and system, of the whole server process) and p99 (of a saturated server).',
    ...[...scenarios, ...figures].map(({ name, what, aim }) => `  ${name}: ${what}${aimText(aim)}`),
    ...notes(report),
  ].join('\n');
}

const HEADER = [
  'sent',
  'server',
  'in flight',
  'req/s',
  '× floor',
  'CPU µs/req',
  '× floor',
  'p99 ms',
  '× floor',
  'generator busy',
];

function cells({
  scenario,
  payload,
  connections,
  rate,
  cpuMicros,
  p99Ms,
  loadBusy,
  toFloor,
}: RowReport): readonly string[] {
  return [
    payload,
    scenario,
    String(connections),
    Math.round(rate).toLocaleString('en'),
    ratio(toFloor?.rate),
    cpuMicros.toFixed(1),
    ratio(toFloor?.cpuMicros),
    p99Ms.toFixed(2),
    ratio(toFloor?.p99Ms),
    `${Math.round(100 * loadBusy)} %`,
  ];
}

/** One line per row, with an empty line between groups of different payloads or requests in flight. */
function tableLines(rows: readonly RowReport[]): readonly string[] {
  const [header = '', ...lines] = alignColumns([HEADER, ...rows.map(cells)], 2);
  const group = (row: RowReport | undefined): string => `${row?.payload} ${row?.connections}`;
  return [
    header,
    ...lines.flatMap((line, index) => (group(rows[index]) === group(rows[index - 1]) ? [line] : ['', line])),
  ];
}

const FIGURE_HEADER = ['figure', 'value', 'floor', '× floor'];

function figureLines(figures: readonly Figure[]): readonly string[] {
  if (figures.length === 0) return [];
  const line = ({ name, value, unit, floor, toFloor }: Figure): readonly string[] => {
    const format = (number: number): string =>
      `${number.toLocaleString('en', { maximumFractionDigits: number < 100 ? 2 : 0 })} ${unit}`.trimEnd();
    return [name, format(value), floor === undefined ? '' : format(floor), ratio(toFloor)];
  };
  return [...alignColumns([FIGURE_HEADER, ...figures.map(line)], 1), ''];
}

function aimText(aim: string | undefined): string {
  return aim === undefined ? '' : `; aim: ${aim}`;
}

function ratio(comparison: Comparison | undefined): string {
  if (comparison === undefined) return '';
  const { median, lowest, highest } = comparison;
  return `${median.toFixed(2)} (${lowest.toFixed(2)}-${highest.toFixed(2)})`;
}

/** Pads columns to their widest cell. The first `left` columns are left-aligned, the others right-aligned. */
function alignColumns(lines: readonly (readonly string[])[], left: number): readonly string[] {
  const width = (column: number): number => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  const widths = lines[0]?.map((_, column) => width(column)) ?? [];
  return lines.map((line) =>
    line
      .map((cell, column) => (column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function notes({ machine, rounds, profiled, rows, figures, leftOut }: Report): readonly string[] {
  const nameOf = ({ scenario, payload }: RowReport): string => `${scenario}/${payload}`;
  const busyRows = rows.filter(({ loadBusy }) => loadBusy > BUSY).map(nameOf);
  const lateRows = rows.filter(({ waiting, connections }) => waiting > connections).map(nameOf);
  return [
    ...(busyRows.length === 0
      ? []
      : [`! The load generator was the limit of ${busyRows.join(', ')}: their rates are too low.`]),
    ...(lateRows.length === 0
      ? []
      : [`! Handlers fell behind in ${lateRows.join(', ')}: these rates count the time until all was handled.`]),
    ...(leftOut.length === 0 ? [] : [`! Left out, to be named by --only: ${leftOut.join(', ')}.`]),
    ...(Math.min(rounds, ...figures.map((figure) => figure.rounds.length)) < 5
      ? ['! Fewer than 5 rounds, of the rows or of the figures: their medians say little.']
      : []),
    ...(machine.loadBefore > machine.cores / 2
      ? [`! Other work was running before this began (load average ${machine.loadBefore.toFixed(1)}).`]
      : []),
    ...(profiled ? ['! CPU profiles were taken, which costs time of its own.'] : []),
  ];
}
