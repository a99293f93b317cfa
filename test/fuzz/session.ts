import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { Finding, Job, JobMessage, JobResult } from './job.js';

/** Milliseconds after which an input counts as hanging. */
const HANGS_AFTER_MS = 20_000;

/** Number of process deaths after which a target is skipped. */
const MOST_DEATHS = 5;

/** Heap limit in MiB: less than a server has, and far more than any input needs. */
const HEAP_MIB = 512;

/** Options of a session. */
export interface SessionOptions {
  /** Path of the compiled process. */
  readonly file: string;
  /** Preloaded module that blocks network access. */
  readonly preload: string;
  readonly hangsAfterMs?: number;
  /** Returns the input of a number, to report it after its process died. */
  readonly inputOf: (job: Job, input: number) => Buffer;
}

/** The inputs run and the findings. */
export interface SessionResult extends JobResult {
  readonly findings: readonly Finding[];
}

/**
 * Runs a job in child processes. When one dies or hangs, that is a finding, and a new one continues after that input.
 */
export async function runSession(job: Job, options: SessionOptions): Promise<SessionResult> {
  const findings: Finding[] = [];
  let total: JobResult = { inputs: 0, refused: 0, slowestMs: 0, slowestInput: job.from };
  let { from } = job;
  for (let deaths = 0; deaths < MOST_DEATHS && from < job.until; deaths += 1) {
    const remainingJob: Job = { ...job, from };
    const outcome = await runProcess(remainingJob, options);
    findings.push(...outcome.findings);
    if (outcome.done !== undefined) {
      total = sum(total, outcome.done);
      break;
    }
    const input = placeIn(job.placeFile) ?? from;
    const base64 = options.inputOf(job, input).toString('base64');
    findings.push({ target: job.target, input, maxBytes: job.maxBytes, what: outcome.failure, base64 });
    total = sum(total, { ...total, inputs: input + 1 - from, refused: 0 });
    from = input + 1;
  }
  return { ...total, findings };
}

function sum(total: JobResult, part: JobResult): JobResult {
  const slower = part.slowestMs > total.slowestMs ? part : total;
  return { ...slower, inputs: total.inputs + part.inputs, refused: total.refused + part.refused };
}

async function runProcess(
  job: Job,
  { file, preload, hangsAfterMs = HANGS_AFTER_MS }: SessionOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly done: JobResult | undefined; readonly failure: string }> {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, '--require', preload, file, JSON.stringify(job)],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  );
  const findings: Finding[] = [];
  let done: JobResult | undefined;
  let errorOutput = '';
  child.stderr?.on('data', (chunk: Buffer) => (errorOutput = `${errorOutput}${chunk.toString()}`.slice(-2_000)));
  child.on('message', (message: JobMessage) => {
    if (message.type === 'finding') findings.push(message.finding);
    else done = message.done;
  });
  let isHanging = false;
  let lastProgress = { place: placeIn(job.placeFile), at: Date.now() };
  const watch = setInterval(() => {
    const place = placeIn(job.placeFile);
    if (place !== lastProgress.place) lastProgress = { place, at: Date.now() };
    isHanging = Date.now() - lastProgress.at > hangsAfterMs;
    if (isHanging) child.kill('SIGKILL');
  }, hangsAfterMs / 10);
  const [code, signal] = await once(child, 'close');
  clearInterval(watch);
  const failure = isHanging
    ? `It hangs: no answer in ${hangsAfterMs} ms`
    : `The process died (${String(signal ?? code)}): ${errorOutput.trim()}`;
  return { findings, done, failure };
}

function placeIn(file: string): number | undefined {
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  return bytes.length < 8 ? undefined : bytes.readDoubleLE();
}
