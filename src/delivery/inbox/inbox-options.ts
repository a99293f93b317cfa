import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { EventCrashGuard } from '../crash-guard/event-crash-guard.js';
import type { StoredEvent } from './stored-event.js';
import type { WaitingEvents } from './waiting-events.js';

/** Dependencies of the inbox. */
export interface InboxOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Counts its events: for whoever has to know which wait. @default its own */
  readonly waiting?: WaitingEvents | undefined;
  /** Undefined for a service the code no longer has: its events are kept and left alone. */
  readonly limitsOf: (service: string) => InboxLimits | undefined;
  /** Runs the handler with a stored event. Does not throw. */
  readonly run: (event: StoredEvent) => Promise<StoredRun>;
  readonly crashGuard: EventCrashGuard;
  /** Told of each event that a previous process left. */
  readonly onRecovered: (event: StoredEvent) => void;
  /** Told of each event that a previous process gave up. */
  readonly onRecoveredDeadLetter: (event: StoredEvent) => void;
  /** Told of each event that is given up. */
  readonly onDeadLetter: (event: StoredEvent) => void;
}

/** Of a service. */
export interface InboxLimits {
  readonly concurrency: number;
  readonly retryForSeconds: number;
  readonly order: 'none' | 'subscription';
}
