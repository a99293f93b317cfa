import { closeSync, openSync, writeSync } from 'node:fs';
import type { FuzzTarget, RunInput } from './fuzz-target.js';
import type { Job, JobMessage, JobResult } from './job.js';
import { mutate } from './mutate.js';
import { seededRandom } from '../kit/seeded-random.js';
import { seedOf } from './random.js';
import { seedsOf } from './seeds.js';

/** Findings per process. A cause is reported only once. */
const MOST_FINDINGS = 10;

/** A slow input is run this many times more and measured in CPU time, because the machine may have been busy. */
const RERUNS = 5;

/** Runs the inputs of a job against its target and sends the findings. */
export async function runJob(
  job: Job,
  targets: readonly FuzzTarget[],
  send: (message: JobMessage) => void,
): Promise<void> {
  const target = targets.find(({ name }) => name === job.target);
  if (target === undefined) throw new Error(`There is no target ${job.target}`);
  const seeds = seedsOf(target.seeds, job.corpus);
  const runInput = await target.open();
  const placeFile = openSync(job.placeFile, 'w');
  const numberBuffer = Buffer.alloc(8);
  const causes = new Set<string>();
  let [inputs, refused, slowestMs, slowestInput] = [0, 0, 0, job.from];

  const report = (input: number, bytes: Buffer, what: string, cause: string): void => {
    if (causes.has(cause)) return;
    causes.add(cause);
    const { maxBytes } = job;
    const finding = { target: target.name, input, maxBytes, what, base64: bytes.toString('base64') };
    send({ type: 'finding', finding });
  };

  for (let input = job.from; input < job.until && causes.size < MOST_FINDINGS; input += 1) {
    if (Date.now() >= job.deadline) break;
    numberBuffer.writeDoubleLE(input);
    writeSync(placeFile, numberBuffer, 0, 8, 0);
    const bytes = inputOf(job, input, seeds);
    const { ms, error } = await runTimed(runInput, bytes);
    inputs += 1;
    if (error !== undefined) {
      if (target.refuses?.(error) === true) refused += 1;
      else report(input, bytes, textOf(error), textOf(error).replaceAll(/\d+/g, '').slice(0, 300));
    }
    const limit = (target.limitMs ?? 50) + bytes.length / 1024;
    if (ms > limit) {
      const median = await medianOf(runInput, bytes);
      if (median > limit)
        report(input, bytes, `It took ${median.toFixed(0)} ms of the processor, not ${limit.toFixed(0)}`, 'slow');
    }
    if (ms > slowestMs) [slowestMs, slowestInput] = [ms, input];
  }
  closeSync(placeFile);
  const done: JobResult = { inputs, refused, slowestMs, slowestInput };
  send({ type: 'done', done });
}

/** Returns the input of a number. */
export function inputOf(
  { seed, target, maxBytes }: Pick<Job, 'seed' | 'target' | 'maxBytes'>,
  input: number,
  seeds: readonly Buffer[],
): Buffer {
  return mutate({ seeds, random: seededRandom(seedOf(seed, target, maxBytes, input)), maxBytes });
}

async function runTimed(runInput: RunInput, bytes: Buffer): Promise<{ readonly ms: number; readonly error: unknown }> {
  const start = performance.now();
  let error: unknown;
  try {
    const pending = runInput(bytes);
    if (pending instanceof Promise) await pending;
  } catch (thrown) {
    error = thrown ?? new Error(`It threw ${String(thrown)}`);
  }
  return { ms: performance.now() - start, error };
}

async function medianOf(runInput: RunInput, bytes: Buffer): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RERUNS; run += 1) {
    const cpuBefore = process.cpuUsage();
    await runTimed(runInput, bytes);
    const { user, system } = process.cpuUsage(cpuBefore);
    times.push((user + system) / 1_000);
  }
  return times.toSorted((left, right) => left - right)[Math.floor(RERUNS / 2)] ?? 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : `It threw ${JSON.stringify(error)}`;
}

/** Runs the job of this process, then exits. */
export async function serveJob(targets: readonly FuzzTarget[]): Promise<void> {
  // The parent process is this program and wrote the job.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const job = JSON.parse(process.argv[2] ?? '') as Job;
  const pendingSends: Promise<void>[] = [];
  const send = (message: JobMessage): void =>
    void pendingSends.push(new Promise((resolve) => process.send?.(message, undefined, {}, () => resolve())));
  await runJob(job, targets, send);
  await Promise.all(pendingSends);
  // A target can leave a server open, so exit explicitly.
  process.exit();
}
