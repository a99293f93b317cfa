import { setTimeout as delay } from 'node:timers/promises';

/** What the hub has under way, so that it can be waited for and broken off. */
export interface PendingTasks {
  /** Starts a task, or joins one begun elsewhere; its failure is not reported here. */
  run(task: () => Promise<unknown>): void;
  /** Waits; rejects when aborted. */
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
  /** Ends the pauses. */
  abort(): void;
}

export function createPendingTasks(onSettled: () => void): PendingTasks {
  const running = new Set<Promise<void>>();
  const aborted = new AbortController();

  const guarded = async (task: () => Promise<unknown>): Promise<void> => {
    try {
      await task();
    } catch {
      // A client that went away, or the hub was closed: nobody is left to tell.
    }
  };

  return {
    run(task) {
      const promise = guarded(task).finally(() => {
        running.delete(promise);
        onSettled();
      });
      running.add(promise);
    },
    async pause(milliseconds) {
      aborted.signal.throwIfAborted();
      if (milliseconds > 0) await delay(milliseconds, undefined, { signal: aborted.signal });
    },
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
    abort: () => aborted.abort(),
  };
}
