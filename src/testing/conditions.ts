/** Options of a wait: `hub.until()`, `hub.verified()` and `hub.unsubscribed()`. */
export interface WaitOptions {
  /** Milliseconds to wait before the wait rejects. @default 5_000 */
  readonly timeoutMs?: number;
  /** The awaited condition, for the message of the timeout error. Example: `three events`. @default 'the condition' */
  readonly what?: string;
}

/** The value a wait resolves with. A falsy value means "not yet", so the type excludes it. */
export type Truthy<Value> = Exclude<Value, false | undefined | null | '' | 0>;

/** Waits for conditions to become true. */
export interface Conditions {
  /** Runs every waiting probe again. */
  check(): void;
  /** Resolves with the first truthy value of the probe. Rejects on timeout and when the probe throws. */
  until<Value>(probe: () => Value | Promise<Value>, options?: WaitOptions): Promise<Truthy<Value>>;
  /** Rejects every wait. */
  close(): void;
}

// A condition can change without the hub: a subscriber's handler ran, a lease expired.
const RECHECK_MS = 20;

const isTruthy = <Value>(value: Value): value is Truthy<Value> => Boolean(value);

/** @param describe returns the hub's state, for the error of a wait that timed out */
export function createConditions(describe: () => string): Conditions {
  const waiters = new Set<{ readonly what: string; check(): void; stop(reason: Error): void }>();

  return {
    check() {
      for (const waiter of waiters) waiter.check();
    },
    until(probe, { timeoutMs = 5_000, what = 'the condition' } = {}) {
      return new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          clearTimeout(timeout);
          clearInterval(recheck);
          waiters.delete(waiter);
          act();
        };
        let isProbing = false;
        const runProbe = async (): Promise<void> => {
          if (isProbing) return;
          isProbing = true;
          try {
            const value = await probe();
            if (isTruthy(value)) finish(() => resolve(value));
          } catch (error) {
            finish(() => reject(error));
          }
          isProbing = false;
        };
        const waiter = {
          what,
          check: () => void runProbe(),
          stop: (reason: Error) => finish(() => reject(reason)),
        };
        const timeout = setTimeout(
          () => waiter.stop(new Error(`Timed out after ${timeoutMs} ms waiting for ${what}. ${describe()}`)),
          timeoutMs,
        );
        const recheck = setInterval(waiter.check, RECHECK_MS);
        waiters.add(waiter);
        waiter.check();
      });
    },
    close() {
      for (const waiter of waiters) {
        waiter.stop(new Error(`The test hub was closed while a test waited for ${waiter.what}`));
      }
    },
  };
}
