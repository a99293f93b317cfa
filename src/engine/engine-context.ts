import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import type { Closing } from './closing.js';
import type { Engine } from './engine.js';

/** The parts that everything in a runtime shares. The layers above add their own. */
export interface EngineContext {
  /** The clock, in epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly closing: Closing;
}
