import type { Finding, Job } from './job.js';
import type { SessionResult } from './session.js';

/** The result of one target's small inputs or large inputs. */
export interface Row {
  readonly job: Job;
  readonly result: SessionResult;
  readonly ms: number;
}

export const TITLES = {
  target: 'target',
  size: 'up to',
  inputs: 'inputs',
  rate: 'a second',
  refused: 'refused',
  slowest: 'slowest, ms',
  findings: 'findings',
};

const WIDTHS: Readonly<Record<keyof typeof TITLES, number>> = {
  target: 20,
  size: 6,
  inputs: 18,
  rate: 9,
  refused: 8,
  slowest: 12,
  findings: 9,
};

/** A longer input is not printed. Its number reproduces it. */
const LONGEST_BASE64 = 8_192;

/** Returns a line of the table. */
export function renderRow(row: Readonly<Record<keyof typeof TITLES, string>>): string {
  const { target, size, inputs, rate, refused, slowest, findings } = row;
  return [
    target.padEnd(WIDTHS.target),
    size.padEnd(WIDTHS.size),
    inputs.padStart(WIDTHS.inputs),
    rate.padStart(WIDTHS.rate),
    refused.padStart(WIDTHS.refused),
    slowest.padStart(WIDTHS.slowest),
    findings.padStart(WIDTHS.findings),
  ].join(' ');
}

/** Describes a finding, with the options that reproduce it. */
export function findingText({ target, what, base64 }: Finding, options: string): string {
  const input = base64.length > LONGEST_BASE64 ? '' : `  input: ${base64}\n`;
  return `\n${target}: ${what}\n  again: npm run fuzz -- ${options}\n${input}`;
}
