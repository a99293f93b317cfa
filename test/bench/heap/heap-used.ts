/** Returns the bytes of heap in use after garbage collection. Needs `--expose-gc`. */
export function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('This process was not started with --expose-gc');
  // Objects that one collection finalizes are garbage for the next.
  for (let run = 0; run < 3; run += 1) globalThis.gc();
  return process.memoryUsage().heapUsed;
}
