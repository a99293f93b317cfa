/** Bytes of heap in use once what is garbage is collected, in a process with `--expose-gc`. */
export function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('This process was not started with --expose-gc');
  // What one collection finalizes is garbage for the next.
  for (let time = 0; time < 3; time += 1) globalThis.gc();
  return process.memoryUsage().heapUsed;
}
