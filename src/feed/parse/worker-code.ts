import { readFileSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Tests and examples run the sources, which are TypeScript. */
const IS_SOURCE = import.meta.url.endsWith('.ts');

let code: string | undefined;

/**
 * Reads what a thread that parses runs, so that no later thread needs a file of the package.
 *
 * @throws the file system's error. The next call tries again.
 */
export function loadWorkerCode(): string {
  if (IS_SOURCE) return '';
  return (code ??= readFileSync(new URL('./parse-worker.cjs', import.meta.url), 'utf8'));
}

/** Starts a thread that parses. Throws where no thread can be had now. */
export function startWorker(options: WorkerOptions): Worker {
  if (!IS_SOURCE) return new Worker(loadWorkerCode(), { ...options, execArgv: [], eval: true });
  const execArgv = ['--import', '@oxc-node/core/register'];
  return new Worker(new URL('./parse-worker.js', import.meta.url), { ...options, execArgv });
}
