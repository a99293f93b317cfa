import { numbersOf } from '../calls.js';
import { startWorker } from '../worker.js';
import type { Seed } from './seed-store.js';

/**
 * Fills a store in a process of its own: whoever is measured afterwards has neither its garbage nor its optimizations.
 *
 * @returns the port that the callbacks lead to
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
