import { readFileSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Tests and examples run the TypeScript sources. */
const IS_SOURCE = import.meta.url.endsWith('.ts');

let code: string | undefined;

/**
 * Loads the code of the parse thread, so that later threads need no file of the package.
 *
 * @throws the file system's error. The next call tries again.
 */
export function loadWorkerCode(): string {
  if (IS_SOURCE) return '';
  return (code ??= readFileSync(new URL('./parse-worker.cjs', import.meta.url), 'utf8'));
}

/** Starts a parse thread. @throws Error when no thread can be started now */
export function startWorker(options: WorkerOptions): Worker {
  if (!IS_SOURCE) return new Worker(loadWorkerCode(), { ...options, execArgv: [], eval: true });
  const execArgv = ['--import', '@oxc-node/core/register'];
  return new Worker(new URL('./parse-worker.js', import.meta.url), { ...options, execArgv });
}
