import type { Logger } from '../logger.js';
import type { GrantRecord } from '../subscription/record.js';
import type { Entry } from '../subscription/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { UnrecoverableEventError } from '../errors.js';
import type { HandlerOutcome } from './handler-run.js';
import type { HookName, Hooks } from './hooks.js';
import type { ContentDistributionMessage } from './message.js';
import type { Piece } from './piece.js';
import type { DeadLetterCause, StoredEvent } from './stored-event.js';

/** An event, and what it came for. */
export interface Reception {
  readonly entry: Entry;
  readonly grant: GrantRecord;
  readonly event: ContentDistributionMessage;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  /** What its service wants to know again, once that is known. */
  pieces?: readonly Piece[] | undefined;
}

/** Who is told. */
export interface ReportOptions {
  readonly hooks: Hooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Tells the listeners of a hook about an event. */
export function emitEvent(
  { hooks, now }: ReportOptions,
  name: HookName,
  { entry, grant, event }: Reception,
  error?: Error,
  cause?: DeadLetterCause,
): void {
  if (!hooks.has(name)) return;
  hooks.emit(name, () => ({
    subscription: subscriptionSnapshot(entry.record, entry.counters.stats()),
    grant: grantSnapshot(grant),
    event,
    error,
    ...(cause === undefined ? {} : { cause }),
    at: new Date(now()),
  }));
}

/** Tells the counters, the log and the hooks how a run of the handler ended. */
export function reportRun(options: ReportOptions, reception: Reception, outcome: HandlerOutcome): void {
  const { entry, event } = reception;
  const { hub, topic } = reception.grant;
  if (outcome.type !== 'failed') {
    if (outcome.type === 'deleted') {
      const fields = { event: event.id, subscription: entry.record.id };
      options.logger.info(fields, `the service ended the subscription: ${outcome.error.message}`);
    }
    entry.counters.delivered();
    emitEvent(options, 'delivered', reception);
    return;
  }
  entry.counters.failed();
  options.logger.warn(
    { event: event.id, subscription: entry.record.id, hub, topic, attempt: event.attempt, err: outcome.error },
    'a handler failed',
  );
  emitEvent(options, 'handler-error', reception, outcome.error);
}

/** Tells the log and the hooks of an event that is given up; `reception` is undefined where its subscription is gone. */
export function reportDeadLetter(options: ReportOptions, reception: Reception | undefined, stored: StoredEvent): void {
  const { id, service, subscriptionId, attempts, errors, deadCause: cause = 'failed' } = stored;
  const last = errors.at(-1)?.message ?? '';
  options.logger.error(
    { event: id, subscription: subscriptionId, service, attempts, cause },
    `an event is given up and kept as a dead letter: ${last}`,
  );
  if (reception === undefined) return;
  const error = cause === 'unrecoverable' ? new UnrecoverableEventError(last) : new Error(last);
  emitEvent(options, 'dead-letter', reception, error, cause);
}
