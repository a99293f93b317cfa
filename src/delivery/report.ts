import type { Logger } from '../logger.js';
import type { GrantRecord } from '../subscription/record/record.js';
import type { StoredSubscription } from '../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { UnrecoverableEventError } from '../errors.js';
import type { HandlerOutcome } from './handler/handler-run.js';
import type { HookPayload, SubscriberHooks } from './hook-payloads.js';
import type { NewEventMeta } from './message/event-meta.js';
import type { ContentDistributionMessage } from './message/message.js';
import type { ReceivedContent } from './message/received-content.js';
import type { DedupeKey } from './dedupe/dedupe-key.js';
import type { StoredEvent } from './inbox/stored-event.js';

/** An event, and what it came for. */
export interface EventContext {
  readonly subscription: StoredSubscription;
  readonly grant: GrantRecord;
  readonly meta: NewEventMeta;
  readonly content: ReceivedContent;
  readonly event: ContentDistributionMessage;
  /** What its service wants to know again, once that is known. */
  dedupeKeys?: readonly DedupeKey[] | undefined;
}

/** Who is told. */
export interface ReportOptions {
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Tells the listeners of a hook about an event. */
export function emitEvent(options: ReportOptions, name: 'notification' | 'delivered', context: EventContext): void {
  // Asked first, as this is done for every delivery: without listeners nothing is made for them.
  if (options.hooks.has(name)) options.hooks.emit(name, () => eventPayload(options, context));
}

/** The fields that every hook about an event has. */
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

/** Tells the counters, the log and the hooks how a run of the handler ended. */
export function reportRun(options: ReportOptions, context: EventContext, outcome: HandlerOutcome): void {
  const { subscription, event } = context;
  const { hub, topic } = context.grant;
  if (outcome.type !== 'failed') {
    if (outcome.type === 'deleted') {
      const fields = { event: event.id, subscription: subscription.record.id };
      options.logger.info(fields, `the service ended the subscription: ${outcome.error.message}`);
    }
    subscription.counters.delivered();
    emitEvent(options, 'delivered', context);
    return;
  }
  subscription.counters.failed();
  options.logger.warn(
    { event: event.id, subscription: subscription.record.id, hub, topic, attempt: event.attempt, err: outcome.error },
    'a handler failed',
  );
  options.hooks.emit('handler-error', () => ({ ...eventPayload(options, context), error: outcome.error }));
}

/** Tells the log and the hooks of an event that is given up; `reception` is undefined where its subscription is gone. */
export function reportDeadLetter(options: ReportOptions, context: EventContext | undefined, stored: StoredEvent): void {
  const { id, service, subscriptionId } = stored.meta;
  const { attempts, errors, deadCause: cause = 'failed' } = stored.retry;
  const last = errors.at(-1)?.message ?? '';
  options.logger.error(
    { event: id, subscription: subscriptionId, service, attempts, cause },
    `an event is given up and kept as a dead letter: ${last}`,
  );
  if (context === undefined) return;
  const error = cause === 'unrecoverable' ? new UnrecoverableEventError(last) : new Error(last);
  options.hooks.emit('dead-letter', () => ({ ...eventPayload(options, context), error, cause }));
}
