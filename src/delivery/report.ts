import { log } from '../log-events.js';
import type { Logger } from '../logger.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { UnrecoverableEventError } from '../errors.js';
import type { EventContext } from './event-context.js';
import type { HandlerOutcome } from './handler/handler-run.js';
import type { HookPayload, SubscriberHooks } from './hook-payloads.js';
import type { StoredEvent } from './inbox/stored-event.js';

/** Dependencies of the reports. */
export interface ReportOptions {
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Emits a hook for an event. */
export function emitEvent(options: ReportOptions, name: 'notification' | 'delivered', context: EventContext): void {
  // This runs for every delivery, so nothing is created without listeners.
  if (options.hooks.has(name)) options.hooks.emit(name, () => eventPayload(options, context));
}

/** The fields of every hook about an event. */
function eventPayload(
  { now }: ReportOptions,
  { subscription, grant, event }: EventContext,
): Pick<HookPayload<'notification'>, 'subscription' | 'grant' | 'event' | 'at'> {
  return {
    subscription: subscriptionSnapshot(subscription.record, subscription.counters.stats()),
    grant: grantSnapshot(grant),
    event,
    at: new Date(now()),
  };
}

/** Reports the end of a handler run to the counters, the log and the hooks. */
export function reportRun(options: ReportOptions, context: EventContext, outcome: HandlerOutcome): void {
  const { subscription, event } = context;
  const { hub, topic } = context.grant;
  if (outcome.type !== 'failed') {
    if (outcome.type === 'deleted') {
      const fields = { eventId: event.id, subscription: subscription.record.id };
      log(options.logger, 'subscription.ended-by-handler', { ...fields, detail: outcome.error.message });
    }
    subscription.counters.delivered();
    emitEvent(options, 'delivered', context);
    return;
  }
  subscription.counters.failed();
  const fields = { eventId: event.id, subscription: subscription.record.id, hub, topic, attempt: event.attempt };
  log(options.logger, 'handler.failed', { ...fields, err: outcome.error });
  options.hooks.emit('handler-error', () => ({ ...eventPayload(options, context), error: outcome.error }));
}

/**
 * Reports a dead letter to the log and the hooks.
 *
 * @param context undefined if the subscription no longer exists
 */
export function reportDeadLetter(options: ReportOptions, context: EventContext | undefined, stored: StoredEvent): void {
  const { id, service, subscriptionId } = stored.meta;
  const { attempts, errors, deadCause: cause = 'failed' } = stored.retry;
  const last = errors.at(-1)?.message ?? '';
  const fields = { eventId: id, subscription: subscriptionId, service, attempts, cause };
  log(options.logger, 'event.dead-lettered', { ...fields, detail: last });
  if (context === undefined) return;
  const error = cause === 'unrecoverable' ? new UnrecoverableEventError(last) : new Error(last);
  options.hooks.emit('dead-letter', () => ({ ...eventPayload(options, context), error, cause }));
}
