import { closeSync, openSync, writeSync } from 'node:fs';
import type { FuzzTarget, Take } from './fuzz-target.js';
import type { Done, Job, Told } from './job.js';
import { mutated } from './mutate.js';
import { randomFrom, seedOf } from './random.js';
import { seedsOf } from './seeds.js';

/** Findings of one cause are told once, and of one process so many. */
const MOST_FINDINGS = 10;

/** An input that took too long is given so many times more, by the processor's time: the machine may have been busy. */
const RERUNS = 5;

/** Gives the inputs of a job to its target, and tells what is wrong with them. */
export async function runJob(job: Job, targets: readonly FuzzTarget[], tell: (told: Told) => void): Promise<void> {
  const target = targets.find(({ name }) => name === job.target);
  if (target === undefined) throw new Error(`There is no target ${job.target}`);
  const seeds = seedsOf(target.seeds, job.corpus);
  const take = await target.open();
  const place = openSync(job.placeFile, 'w');
  const number = Buffer.alloc(8);
  const causes = new Set<string>();
  let [inputs, refused, slowestMs, slowestInput] = [0, 0, 0, job.from];

  const report = (input: number, bytes: Buffer, what: string, cause: string): void => {
    if (causes.has(cause)) return;
    causes.add(cause);
    const { maxBytes } = job;
    const finding = { target: target.name, input, maxBytes, what, base64: bytes.toString('base64') };
    tell({ type: 'finding', finding });
  };

  for (let input = job.from; input < job.until && causes.size < MOST_FINDINGS; input += 1) {
    if (Date.now() >= job.deadline) break;
    number.writeDoubleLE(input);
    writeSync(place, number, 0, 8, 0);
    const bytes = inputOf(job, input, seeds);
    const { ms, error } = await timed(take, bytes);
    inputs += 1;
    if (error !== undefined) {
      if (target.refuses?.(error) === true) refused += 1;
      else report(input, bytes, textOf(error), textOf(error).replaceAll(/\d+/g, '').slice(0, 300));
    }
    const limit = (target.limitMs ?? 50) + bytes.length / 1024;
    if (ms > limit) {
      const median = await medianOf(take, bytes);
      if (median > limit)
        report(input, bytes, `It took ${median.toFixed(0)} ms of the processor, not ${limit.toFixed(0)}`, 'slow');
    }
    if (ms > slowestMs) [slowestMs, slowestInput] = [ms, input];
  }
  closeSync(place);
  const done: Done = { inputs, refused, slowestMs, slowestInput };
  tell({ type: 'done', done });
}

/** The input of a number. */
export function inputOf(
  { seed, target, maxBytes }: Pick<Job, 'seed' | 'target' | 'maxBytes'>,
  input: number,
  seeds: readonly Buffer[],
): Buffer {
  return mutated({ seeds, random: randomFrom(seedOf(seed, target, maxBytes, input)), maxBytes });
}

async function timed(take: Take, bytes: Buffer): Promise<{ readonly ms: number; readonly error: unknown }> {
  const start = performance.now();
  let error: unknown;
  try {
    const taking = take(bytes);
    if (taking instanceof Promise) await taking;
  } catch (thrown) {
    error = thrown ?? new Error(`It threw ${String(thrown)}`);
  }
  return { ms: performance.now() - start, error };
}

async function medianOf(take: Take, bytes: Buffer): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RERUNS; run += 1) {
    const before = process.cpuUsage();
    await timed(take, bytes);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1_000);
  }
  return times.toSorted((one, other) => one - other)[Math.floor(RERUNS / 2)] ?? 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : `It threw ${JSON.stringify(error)}`;
}

/** Runs the job that this process was started with, and ends. */
export async function serveJob(targets: readonly FuzzTarget[]): Promise<void> {
  // Our own parent wrote it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const job = JSON.parse(process.argv[2] ?? '') as Job;
  const sent: Promise<void>[] = [];
  const tell = (told: Told): void =>
    void sent.push(new Promise((resolve) => process.send?.(told, undefined, {}, () => resolve())));
  await runJob(job, targets, tell);
  await Promise.all(sent);
  // What a target has opened, as a server, is of no use any more.
  process.exit();
}
