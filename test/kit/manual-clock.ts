import { embeddedEngine, type EmbeddedEngine } from '../../src/engine/embedded-engine.js';
import type { Seams } from '../../src/runtime/lifecycle/start-service.js';

/** A clock that stands until it is told to go on. */
export interface ManualClock {
  readonly seams: Pick<Seams, 'now' | 'engine'>;
  /** Lets time pass, and what is due be done. */
  pass(milliseconds: number): void;
}

export function manualClock(): ManualClock {
  let now = Date.now();
  let engine: EmbeddedEngine | undefined;
  return {
    seams: {
      now: () => now,
      engine: (options) => (engine = embeddedEngine(options)),
    },
    pass(milliseconds) {
      now += milliseconds;
      engine?.tick();
    },
  };
}
