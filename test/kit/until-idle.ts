import { setImmediate as macrotask } from 'node:timers/promises';
import type { TestHub } from '../../src/testing/index.js';
import { whenIdle } from '../../src/feed/parse/parse.js';

/** Runs turns of the event loop. Work that waits for no timer, socket or thread is done after a few. */
export async function macrotasks(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await macrotask();
}

/** Resolves when this process has done all work that waits for no timer. Feed parsing in threads is included. */
export async function untilIdle(): Promise<void> {
  for (;;) {
    await macrotasks(20);
    const parsing = whenIdle();
    if (parsing === undefined) return;
    await parsing;
  }
}

/** Resolves when a hub has sent and received all it had to, and this process is idle after that. */
export async function untilSettled(hub: TestHub): Promise<void> {
  await untilIdle();
  await hub.settled();
  await untilIdle();
}
