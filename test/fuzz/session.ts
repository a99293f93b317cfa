import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { Done, Finding, Job, Told } from './job.js';

/** An input that takes so long is one that hangs, in milliseconds. */
const HANGS_AFTER_MS = 20_000;

/** Deaths after which a target is left. */
const MOST_DEATHS = 5;

/** Mebibytes of heap: less than a server has, and far more than any input of a run needs. */
const HEAP_MIB = 512;

/** How a process is run. */
export interface SessionOptions {
  /** The compiled process. */
  readonly file: string;
  /** Loaded first: keeps the process from the network. */
  readonly preload: string;
  readonly hangsAfterMs?: number;
  /** The input of a number: for one whose process is dead. */
  readonly inputOf: (job: Job, input: number) => Buffer;
}

/** What a target was given, and what is wrong with it. */
export interface SessionResult extends Done {
  readonly findings: readonly Finding[];
}

/** Runs a job in processes of their own. Where one dies or hangs, that is a finding, and another goes on behind that input. */
export async function runSession(job: Job, options: SessionOptions): Promise<SessionResult> {
  const findings: Finding[] = [];
  let total: Done = { inputs: 0, refused: 0, slowestMs: 0, slowestInput: job.from };
  let { from } = job;
  for (let deaths = 0; deaths < MOST_DEATHS && from < job.until; deaths += 1) {
    const part: Job = { ...job, from };
    const ended = await runProcess(part, options);
    findings.push(...ended.findings);
    if (ended.done !== undefined) {
      total = sum(total, ended.done);
      break;
    }
    const input = placeIn(job.placeFile) ?? from;
    const base64 = options.inputOf(job, input).toString('base64');
    findings.push({ target: job.target, input, maxBytes: job.maxBytes, what: ended.how, base64 });
    total = sum(total, { ...total, inputs: input + 1 - from, refused: 0 });
    from = input + 1;
  }
  return { ...total, findings };
}

function sum(one: Done, other: Done): Done {
  const slower = other.slowestMs > one.slowestMs ? other : one;
  return { ...slower, inputs: one.inputs + other.inputs, refused: one.refused + other.refused };
}

async function runProcess(
  job: Job,
  { file, preload, hangsAfterMs = HANGS_AFTER_MS }: SessionOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly done: Done | undefined; readonly how: string }> {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, '--require', preload, file, JSON.stringify(job)],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  );
  const findings: Finding[] = [];
  let done: Done | undefined;
  let last = '';
  child.stderr?.on('data', (chunk: Buffer) => (last = `${last}${chunk.toString()}`.slice(-2_000)));
  child.on('message', (told: Told) => {
    if (told.type === 'finding') findings.push(told.finding);
    else done = told.done;
  });
  let isHanging = false;
  let seen = { place: placeIn(job.placeFile), at: Date.now() };
  const watch = setInterval(() => {
    const place = placeIn(job.placeFile);
    if (place !== seen.place) seen = { place, at: Date.now() };
    isHanging = Date.now() - seen.at > hangsAfterMs;
    if (isHanging) child.kill('SIGKILL');
  }, hangsAfterMs / 10);
  const [code, signal] = await once(child, 'close');
  clearInterval(watch);
  const how = isHanging
    ? `It hangs: no answer in ${hangsAfterMs} ms`
    : `The process died (${String(signal ?? code)}): ${last.trim()}`;
  return { findings, done, how };
}

function placeIn(file: string): number | undefined {
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  return bytes.length < 8 ? undefined : bytes.readDoubleLE();
}
