/** How long to wait for something. */
export interface WaitOptions {
  /** Milliseconds. @default 5_000 */
  readonly timeoutMs?: number;
  /** What is waited for, in the error's words. */
  readonly what?: string;
}

/** What a condition resolves with: its value, which is not one that counts as not yet. */
export type Truthy<Value> = Exclude<Value, false | undefined | null | '' | 0>;

/** Waiting for something to become true. */
export interface Conditions {
  /** Looks again at what is waited for. */
  check(): void;
  /** Resolves with the first truthy value of the probe. Rejects when that takes too long, or the probe throws. */
  until<Value>(probe: () => Value | Promise<Value>, options?: WaitOptions): Promise<Truthy<Value>>;
  /** Rejects whatever is still waited for. */
  close(): void;
}

// What a probe looks at may change without the hub taking part: a subscriber's handler ran, a lease lapsed.
const RECHECK_MS = 20;

const isTruthy = <Value>(value: Value): value is Truthy<Value> => Boolean(value);

/** @param describe the hub's state, put into the error of a wait that took too long */
export function createConditions(describe: () => string): Conditions {
  const waiting = new Set<{ check(): void; stop(reason: Error): void }>();

  return {
    check() {
      for (const one of waiting) one.check();
    },
    until(probe, { timeoutMs = 5_000, what = 'what was waited for' } = {}) {
      return new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          clearTimeout(timeout);
          clearInterval(recheck);
          waiting.delete(one);
          act();
        };
        let isLooking = false;
        const look = async (): Promise<void> => {
          if (isLooking) return;
          isLooking = true;
          try {
            const value = await probe();
            if (isTruthy(value)) finish(() => resolve(value));
          } catch (error) {
            finish(() => reject(error));
          }
          isLooking = false;
        };
        const one = {
          check: () => void look(),
          stop: (reason: Error) => finish(() => reject(reason)),
        };
        const timeout = setTimeout(
          () => one.stop(new Error(`${what}: not within ${timeoutMs} ms. ${describe()}`)),
          timeoutMs,
        );
        const recheck = setInterval(one.check, RECHECK_MS);
        waiting.add(one);
        one.check();
      });
    },
    close() {
      for (const one of waiting) one.stop(new Error('The test hub was closed while something was waited for'));
    },
  };
}
