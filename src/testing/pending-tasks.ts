import { setTimeout as delay } from 'node:timers/promises';

/** The hub's pending tasks: `settled()` waits for them, `abort()` ends their pauses. */
export interface PendingTasks {
  /** Starts a task and tracks it until it ends. Its failure is not reported here. */
  run(task: () => Promise<unknown>): void;
  /** Waits. Rejects when aborted. */
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Resolves once no task is running. */
  settled(): Promise<void>;
  /** Ends all pauses. */
  abort(): void;
}

/** @param onSettled called each time a task ends */
export function createPendingTasks(onSettled: () => void): PendingTasks {
  const running = new Set<Promise<void>>();
  const abortController = new AbortController();

  const runSafely = async (task: () => Promise<unknown>): Promise<void> => {
    try {
      await task();
    } catch {
      // The client disconnected or the hub was closed. Nobody is left to report it to.
    }
  };

  return {
    run(task) {
      const promise = runSafely(task).finally(() => {
        running.delete(promise);
        onSettled();
      });
      running.add(promise);
    },
    async pause(milliseconds) {
      abortController.signal.throwIfAborted();
      if (milliseconds > 0) await delay(milliseconds, undefined, { signal: abortController.signal });
    },
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
    abort: () => abortController.abort(),
  };
}
