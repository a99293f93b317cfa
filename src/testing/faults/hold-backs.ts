import { delayOf } from './fault-layer.js';
import type { HubDelays, HubFaults } from './hub-faults.js';

/** Holds things back: until the test releases them, and for the delays that are set. */
export interface HoldBacks {
  /** Holds back one kind of thing. Returns the function that releases it; calling that again does nothing. */
  holdBack(what: keyof HubDelays): () => void;
  /** Whether the test holds this kind back. */
  isHeldBack(what: keyof HubDelays): boolean;
  /** Resolves once the test holds this kind back no more. */
  whenReleased(what: keyof HubDelays): Promise<void>;
  /** Resolves once the test holds this kind back no more, and its delay is over. Rejects when the hub is closed. */
  wait(what: keyof HubDelays, faults: HubFaults): Promise<void>;
  /** Releases everything. */
  close(): void;
}

export function createHoldBacks(pause: (milliseconds: number) => Promise<void>): HoldBacks {
  const held = new Set<{ readonly what: keyof HubDelays }>();
  const waiting = new Set<() => void>();
  const isHeldBack = (what: keyof HubDelays): boolean => [...held].some((one) => one.what === what);
  const recheck = (): void => {
    for (const check of waiting) check();
  };
  const whenReleased: HoldBacks['whenReleased'] = (what) =>
    new Promise((resolve) => {
      const check = (): void => {
        if (isHeldBack(what)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });

  return {
    holdBack(what) {
      const one = { what };
      held.add(one);
      return () => {
        held.delete(one);
        recheck();
      };
    },
    isHeldBack,
    whenReleased,
    async wait(what, faults) {
      await whenReleased(what);
      await pause(delayOf(faults, what));
    },
    close() {
      held.clear();
      recheck();
    },
  };
}
