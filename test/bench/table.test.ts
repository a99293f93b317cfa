import { expect, it } from 'vitest';
import { figureOf } from './figure.js';
import type { Report, RowReport } from './report.js';
import { renderTable } from './table.js';

const sample = { requests: 10, rate: 1000, cpuMicros: 50, p50Ms: 1, p99Ms: 2, loadBusy: 0.3, waiting: 0, logLines: 0 };

const row = (scenario: string, payload: string, connections: number): RowReport => ({
  ...sample,
  scenario,
  payload,
  payloadBytes: 2048,
  connections,
  toFloor: undefined,
  rounds: [],
});

const report: Report = {
  machine: { package: 'websub-subscriber 1', node: 'v20', cpu: 'cpu', cores: 2, system: 'linux', loadBefore: 0 },
  cores: { server: 0, load: 1 },
  rounds: 5,
  seconds: 1,
  connections: 64,
  profiled: false,
  leftOut: [],
  scenarios: [{ name: 'floor', what: 'bare', aim: undefined }],
  rows: [],
  figures: [],
};

const linesOf = (changes: Partial<Report>): readonly string[] => renderTable({ ...report, ...changes }).split('\n');

it('the table separates rows that differ in payload or in requests in flight', () => {
  const rows = [row('floor', '2k', 64), row('inline', '2k', 64), row('floor-1', '2k', 1), row('floor', '20k', 64)];
  const lines = linesOf({ rows });
  const headerIndex = lines.findIndex((line) => line.startsWith('sent'));
  const firstCells = lines.slice(headerIndex, headerIndex + 8).map((line) => line.split(/ +/).slice(0, 3).join(' '));
  expect(firstCells).toEqual([
    'sent server in',
    '',
    '2k floor 64',
    '2k inline 64',
    '',
    '2k floor-1 1',
    '',
    '20k floor 64',
  ]);
});

it('the table aligns figures with their floors in columns, and describes them below', () => {
  const rounds = [2, 2, 2, 2, 2];
  const figures = [
    figureOf({ name: 'alone', what: 'stands for itself', unit: 'bytes', rounds: rounds.map((value) => value * 1000) }),
    figureOf({ name: 'beside', what: 'is compared', aim: 'at most 2', unit: 'ms', rounds, floors: [1, 1, 1, 2, 2] }),
  ];
  const lines = linesOf({ figures });
  const headerIndex = lines.findIndex((line) => line.startsWith('figure'));
  expect(lines.slice(headerIndex, headerIndex + 4)).toEqual([
    'figure        value  floor           × floor',
    'alone   2,000 bytes',
    'beside         2 ms   1 ms  2.00 (1.00-2.00)',
    '',
  ]);
  expect(lines).toContain('  beside: is compared; aim: at most 2');
  expect(lines.join('\n')).not.toMatch(/Fewer than 5 rounds/);
});

it('the table names the left-out rows and warns about too few rounds', () => {
  const figures = [figureOf({ name: 'once', what: 'measured once', unit: 'ms', rounds: [1] })];
  const text = linesOf({ figures, leftOut: ['inline-100k/2k-json', 'idle'] }).join('\n');
  expect(text).toMatch(/^! Left out, .*: inline-100k\/2k-json, idle\.$/m);
  expect(text).toMatch(/^! Fewer than 5 rounds/m);
});
