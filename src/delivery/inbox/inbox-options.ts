import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { EventCrashGuard } from '../crash-guard/event-crash-guard.js';
import type { StoredEvent } from './stored-event.js';
import type { WaitingEvents } from './waiting-events.js';

/** Dependencies of `Inbox`. */
export interface InboxOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Tracks the waiting events, for callers that need to know them. @default a new instance */
  readonly waiting?: WaitingEvents | undefined;
  /** Undefined for a service that is not declared. Its events stay in the store unchanged. */
  readonly limitsOf: (service: string) => InboxLimits | undefined;
  /** Runs the handler for a stored event. Does not throw. */
  readonly run: (event: StoredEvent) => Promise<StoredRun>;
  readonly crashGuard: EventCrashGuard;
  /** Called for each waiting event of a previous process, and for each requeued event. */
  readonly onRecovered: (event: StoredEvent) => void;
  /** Called for each dead letter of a previous process. */
  readonly onRecoveredDeadLetter: (event: StoredEvent) => void;
  /** Called for each new dead letter. */
  readonly onDeadLetter: (event: StoredEvent) => void;
}

/** How the events of a service run. */
export interface InboxLimits {
  readonly concurrency: number;
  readonly retryForSeconds: number;
  readonly order: 'none' | 'subscription';
}
