import { numbersOf } from '../calls.js';
import { startWorker } from '../worker.js';
import type { Seed } from './seed-store.js';

/**
 * Fills a store in a child process, so that the measured process has neither its garbage nor its optimized code.
 *
 * @returns the port of the callbacks
 */
export async function seedElsewhere(seed: Seed): Promise<number> {
  const module = new URL('seed-process.js', import.meta.url);
  const worker = startWorker(module, { name: 'seed', cwd: process.cwd(), core: undefined });
  try {
    const { port } = numbersOf(await worker.call('seed', seed), ['port']);
    await worker.stop();
    return port;
  } finally {
    worker.kill();
  }
}
