import { delayOf } from './fault-layer.js';
import type { HubDelays, HubFaults } from './hub-faults.js';

/** Holds messages back: until the test releases them, and for their configured delays. */
export interface HoldBacks {
  /** Holds back one kind of message. Returns the function that releases it; calling it twice has no effect. */
  holdBack(kind: keyof HubDelays): () => void;
  /** Whether the test holds back this kind. */
  isHeldBack(kind: keyof HubDelays): boolean;
  /** Resolves once the test does not hold back this kind. */
  whenReleased(kind: keyof HubDelays): Promise<void>;
  /** Resolves once the test does not hold back this kind and its delay is over. Rejects when the hub is closed. */
  wait(kind: keyof HubDelays, faults: HubFaults): Promise<void>;
  /** Releases every kind. */
  close(): void;
}

export function createHoldBacks(pause: (milliseconds: number) => Promise<void>): HoldBacks {
  const activeHolds = new Set<{ readonly kind: keyof HubDelays }>();
  const waiters = new Set<() => void>();
  const isHeldBack = (kind: keyof HubDelays): boolean => [...activeHolds].some((hold) => hold.kind === kind);
  const recheck = (): void => {
    for (const check of waiters) check();
  };
  const whenReleased: HoldBacks['whenReleased'] = (kind) =>
    new Promise((resolve) => {
      const check = (): void => {
        if (isHeldBack(kind)) return;
        waiters.delete(check);
        resolve();
      };
      waiters.add(check);
      check();
    });

  return {
    holdBack(kind) {
      const hold = { kind };
      activeHolds.add(hold);
      return () => {
        activeHolds.delete(hold);
        recheck();
      };
    },
    isHeldBack,
    whenReleased,
    async wait(kind, faults) {
      await whenReleased(kind);
      await pause(delayOf(faults, kind));
    },
    close() {
      activeHolds.clear();
      recheck();
    },
  };
}
