import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFixture } from '../kit/compile-fixture.js';
import { inputOf } from './child.js';
import type { FuzzTarget } from './fuzz-target.js';
import type { Finding, Job } from './job.js';
import { readOptions, USAGE, UsageError, type FuzzOptions } from './options.js';
import { findingText, renderRow, type Row, TITLES } from './report.js';
import { seedsOf } from './seeds.js';
import { runSession, type SessionOptions, type SessionResult } from './session.js';
import { TARGETS } from './targets.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const CORPUS = here('../../../shared/corpus/');

const SMALL_BYTES = 4 * 1024;
const LARGE_BYTES = 1024 * 1024;
const LEAST_INPUTS = 50_000;
const LARGE_INPUTS = 300;

/** Fraction of a target's time for its large inputs. */
const LARGE_SHARE = 0.3;

/** Runs mutated documents against every target and prints the results. */
async function main(): Promise<void> {
  const names = TARGETS.map(({ name }) => name);
  const options = readOptions(process.argv.slice(2), names);
  if (options === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const targets = TARGETS.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const { file, remove } = await compileFixture('fuzz/child-process.ts');
  const directory = await mkdtemp(join(tmpdir(), 'websub-fuzz-'));
  const session: SessionOptions = {
    file,
    preload: here('../kit/set-up/loopback-only.cjs'),
    inputOf: (job, input) => inputOf(job, input, seedsOf(targetOf(job.target).seeds, job.corpus)),
  };
  const rows: Row[] = [];
  const endsAt = Date.now() + options.minutes * 60_000;
  process.stdout.write(`seed ${options.seed}\n${renderRow(TITLES)}\n`);
  try {
    for (const [index, target] of targets.entries()) {
      // Time a fast target does not use goes to the targets after it.
      const remainingMs = endsAt - Date.now();
      const minutesMs = remainingMs / (targets.length - index);
      const jobs = jobsOf(target, options, targets.length);
      for (const [part, plan] of jobs.entries()) {
        const share = jobs.length === 1 ? 1 : part === 0 ? 1 - LARGE_SHARE : LARGE_SHARE;
        const startedAt = Date.now();
        const job: Job = {
          ...plan,
          deadline: startedAt + minutesMs * share,
          placeFile: join(directory, `${index}-${part}`),
        };
        const result = await runSession(job, session);
        rows.push({ job, result, ms: Date.now() - startedAt });
        process.stdout.write(`${renderRow(rowOf(job, result, Date.now() - startedAt))}\n`);
      }
    }
  } finally {
    await Promise.all([remove(), rm(directory, { recursive: true, force: true })]);
  }
  printTotals(rows, options);
}

/** Returns the jobs of a target: one for its small inputs and one for its large inputs. */
function jobsOf(
  { name }: FuzzTarget,
  { seed, inputs, input, large }: FuzzOptions,
  count: number,
): readonly Omit<Job, 'deadline' | 'placeFile'>[] {
  const job = { target: name, seed, corpus: CORPUS };
  if (input !== undefined) {
    return [{ ...job, from: input, until: input + 1, maxBytes: large ? LARGE_BYTES : SMALL_BYTES }];
  }
  const small = Math.max(LEAST_INPUTS, Math.ceil(inputs / count));
  return [
    { ...job, from: 0, until: small, maxBytes: SMALL_BYTES },
    { ...job, from: 0, until: LARGE_INPUTS, maxBytes: LARGE_BYTES },
  ];
}

function rowOf(job: Job, result: SessionResult, ms: number): Record<keyof typeof TITLES, string> {
  const { inputs, refused, slowestMs, findings } = result;
  return {
    target: job.target,
    size: job.maxBytes === SMALL_BYTES ? '4 KiB' : '1 MiB',
    inputs: `${inputs}${inputs < job.until - job.from ? ` of ${job.until - job.from}` : ''}`,
    rate: `${Math.round((inputs * 1_000) / Math.max(1, ms))}`,
    refused: `${Math.round((100 * refused) / Math.max(1, inputs))} %`,
    slowest: slowestMs.toFixed(1),
    findings: `${findings.length}`,
  };
}

function printTotals(rows: readonly Row[], { seed }: FuzzOptions): void {
  const findings: readonly Finding[] = rows.flatMap(({ result }) => result.findings);
  const inputsUpTo = (maxBytes: number): number =>
    rows.reduce((sum, { job, result }) => sum + (job.maxBytes === maxBytes ? result.inputs : 0), 0);
  const total = `${inputsUpTo(SMALL_BYTES)} inputs of at most 4 KiB, ${inputsUpTo(LARGE_BYTES)} of at most 1 MiB`;
  const incompleteRows = rows.filter(({ job, result }) => result.inputs < job.until - job.from).length;
  process.stdout.write(`\n${total}; ${findings.length} findings; ${incompleteRows} rows fell short of the plan\n`);
  for (const finding of findings) {
    const size = finding.maxBytes === LARGE_BYTES ? ' --large' : '';
    process.stdout.write(
      findingText(finding, `--only '${finding.target}' --input ${finding.input} --seed ${seed}${size}`),
    );
  }
  if (findings.length > 0) process.exitCode = 1;
}

function targetOf(name: string): FuzzTarget {
  const target = TARGETS.find((target) => target.name === name);
  if (target === undefined) throw new Error(`There is no target ${name}`);
  return target;
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    isUsage ? `${error.message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
