import { log } from '../log-events.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { UnrecoverableEventError } from '../errors.js';
import type { DeliveryContext } from './delivery-context.js';
import type { EventContext } from './event-context.js';
import type { HandlerOutcome } from './handler/handler-run.js';
import type { HookPayload } from './hook-payloads.js';
import type { StoredEvent } from './inbox/stored-event.js';

type Reporting = Pick<DeliveryContext, 'hooks' | 'logger' | 'now'>;

/** Emits a hook for an event. */
export function emitEvent(runtime: Reporting, name: 'notification' | 'delivered', context: EventContext): void {
  // This runs for every delivery, so nothing is created without listeners.
  if (runtime.hooks.has(name)) runtime.hooks.emit(name, () => eventPayload(runtime, context));
}

/** The fields of every hook about an event. */
function eventPayload(
  { now }: Reporting,
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
export function reportRun(runtime: Reporting, context: EventContext, outcome: HandlerOutcome): void {
  const { subscription, event } = context;
  const { hub, topic } = context.grant;
  if (outcome.type !== 'failed') {
    if (outcome.type === 'deleted') {
      const fields = { eventId: event.id, subscription: subscription.record.id };
      log(runtime.logger, 'subscription.ended-by-handler', { ...fields, detail: outcome.error.message });
    }
    subscription.counters.delivered();
    emitEvent(runtime, 'delivered', context);
    return;
  }
  subscription.counters.failed();
  const fields = { eventId: event.id, subscription: subscription.record.id, hub, topic, attempt: event.attempt };
  log(runtime.logger, 'handler.failed', { ...fields, err: outcome.error });
  runtime.hooks.emit('handler-error', () => ({ ...eventPayload(runtime, context), error: outcome.error }));
}

/**
 * Reports a dead letter to the log and the hooks.
 *
 * @param context undefined if the subscription no longer exists
 */
export function reportDeadLetter(runtime: Reporting, context: EventContext | undefined, stored: StoredEvent): void {
  const { id, service, subscriptionId } = stored.meta;
  const { attempts, errors, deadCause: cause = 'failed' } = stored.retry;
  const last = errors.at(-1)?.message ?? '';
  const fields = { eventId: id, subscription: subscriptionId, service, attempts, cause };
  log(runtime.logger, 'event.dead-lettered', { ...fields, detail: last });
  if (context === undefined) return;
  const error = cause === 'unrecoverable' ? new UnrecoverableEventError(last) : new Error(last);
  runtime.hooks.emit('dead-letter', () => ({ ...eventPayload(runtime, context), error, cause }));
}
