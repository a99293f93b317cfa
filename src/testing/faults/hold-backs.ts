import { delayOf } from './fault-layer.js';
import type { HubDelays, HubFaults } from './hub-faults.js';

/** Holds things back: until the test releases them, and for the delays that are set. */
export interface HoldBacks {
  /** Holds back one kind of thing. Returns the function that releases it; calling that again does nothing. */
  hold(what: keyof HubDelays): () => void;
  /** Whether the test holds this kind back. */
  holds(what: keyof HubDelays): boolean;
  /** Resolves once the test holds this kind back no more. */
  released(what: keyof HubDelays): Promise<void>;
  /** Resolves once the test holds this kind back no more, and its delay is over. Rejects when the hub is closed. */
  wait(what: keyof HubDelays, faults: HubFaults): Promise<void>;
  /** Releases everything. */
  close(): void;
}

export function createHoldBacks(pause: (milliseconds: number) => Promise<void>): HoldBacks {
  const held = new Set<{ readonly what: keyof HubDelays }>();
  const waiting = new Set<() => void>();
  const holds = (what: keyof HubDelays): boolean => [...held].some((one) => one.what === what);
  const lookAgain = (): void => {
    for (const look of waiting) look();
  };
  const released: HoldBacks['released'] = (what) =>
    new Promise((resolve) => {
      const look = (): void => {
        if (holds(what)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });

  return {
    hold(what) {
      const one = { what };
      held.add(one);
      return () => {
        held.delete(one);
        lookAgain();
      };
    },
    holds,
    released,
    async wait(what, faults) {
      await released(what);
      await pause(delayOf(faults, what));
    },
    close() {
      held.clear();
      lookAgain();
    },
  };
}
