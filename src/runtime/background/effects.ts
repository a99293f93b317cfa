import type { SubscriberHooks } from '../../delivery/hook-payloads.js';
import type { OriginRateLimits } from '../../hub/pacing/origin-rate-limits.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import { log, type SubscriptionFields } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { LogEffect, NamedEffect } from '../../subscription/machine/transition-types.js';
import type { SubscriptionRequests } from '../../subscription/requests/subscription-requests.js';
import { grantOf } from '../../subscription/machine/state.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { RequestPolicy } from '../../subscription/request-policy.js';
import { logAndEmitHook, logFieldsOf } from './transition-hooks.js';
import type { Latch } from '../lifecycle/latch.js';
import type { EventPipeline } from './event-pipeline.js';
import type { RunInSlot, BackgroundTasks } from './background-tasks.js';

/** Dependencies of `performEffect`. */
export interface EffectOptions {
  readonly requests: SubscriptionRequests;
  readonly pipeline: Pick<EventPipeline, 'resumeTopic'>;
  readonly backgroundTasks: BackgroundTasks;
  /** Limits requests in flight per origin. */
  readonly concurrencyLimiter: OriginConcurrencyLimiter;
  /** Rate limited origins. */
  readonly rateLimits: Pick<OriginRateLimits, 'bypass'>;
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Undefined if nothing is done for the subscription. */
  readonly policyOf: (record: SubscriptionRecord) => RequestPolicy | undefined;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  /** Whether the runtime stops: no more subscribe requests then. */
  readonly isStopping: () => boolean;
  /** Opens once requests to hubs may leave. Callbacks are answered by then. */
  readonly requestsAllowed: Latch;
}

/** Performs an effect of a transition: network requests in the background, log lines and hooks at once. */
export function performEffect(options: EffectOptions, record: SubscriptionRecord, effect: NamedEffect): void {
  const { requests, pipeline, backgroundTasks, rateLimits, hooks, logger, now, policyOf, subscriptionOf, isStopping } =
    options;
  const policy = policyOf(record);
  const stored = subscriptionOf(record.id);
  if (policy === undefined || stored === undefined) return;
  // By the time a slot is free, the record may have changed or been removed.
  const currentRecord = (): SubscriptionRecord | undefined => subscriptionOf(record.id)?.record;
  switch (effect.type) {
    case 'discover': {
      const discover = async (): Promise<void> => {
        const current = currentRecord();
        if (current !== undefined && !isStopping()) await requests.discover(current, policy);
      };
      const slot = whenAllowed(slotAt(discoveryUrlOf(record), options), options);
      const task = { task: 'discover', subscription: record.id } as const;
      // A discovery that is wanted meanwhile finds that the first has served it, or runs.
      void backgroundTasks.startAfterCurrent(`${record.id} discover`, discover, task, slot);
      return;
    }
    case 'request': {
      const { grantId, mode } = effect;
      const hub = grantOf(record, grantId)?.hub;
      const request = async (): Promise<void> => {
        const current = currentRecord();
        if (current === undefined || (mode === 'subscribe' && isStopping())) return;
        await requests.request(current, grantId, mode, policy);
      };
      const inSlot = slotAt(hub, options);
      // A request that will be deferred takes no slot, because discovery shares the slots. The request checks again
      // when it leaves.
      const isDeferred = (): boolean => mode === 'subscribe' && requests.wouldDefer(record, grantId);
      const slot: RunInSlot | undefined = inSlot && ((work) => (isDeferred() ? work() : inSlot(work)));
      // Work that had to wait sends the request that is current by then. If there is none, it sends nothing.
      void backgroundTasks.startAfterCurrent(
        `${grantId} ${mode}`,
        request,
        { task: mode, subscription: record.id },
        whenAllowed(slot, options),
      );
      return;
    }
    case 'bypass-rate-limits':
      rateLimits.bypass(record.id);
      return;
    case 'log':
      logEffect(logger, logFieldsOf(record, grantOf(record, effect.grantId)), effect);
      return;
    case 'hook':
      if (effect.name === 'verified' || effect.name === 'renewed') pipeline.resumeTopic(record);
      logAndEmitHook(record, effect, { stored, hooks, logger, now, isStopping });
      return;
  }
}

function logEffect(logger: Logger, fields: SubscriptionFields, effect: LogEffect): void {
  switch (effect.event) {
    case 'subscription.callback-changed':
      log(logger, effect.event, { ...fields, isOldAccepted: effect.isOldAccepted });
      return;
    case 'subscription.unverified':
      log(logger, effect.event, { ...fields, leaseSeconds: effect.leaseSeconds });
      return;
    case 'hub.all-silent':
      log(logger, effect.event, fields);
      return;
  }
}

/** The URL to discover from; undefined if the target is a known hub and topic. */
function discoveryUrlOf({ target }: SubscriptionRecord): string | undefined {
  return typeof target === 'string' ? target : undefined;
}

/** Returns a function that runs work in a slot of the URL's origin (PROTOCOL L5); undefined without a URL. */
function slotAt(url: string | undefined, { concurrencyLimiter }: EffectOptions): RunInSlot | undefined {
  return url === undefined ? undefined : (work) => concurrencyLimiter.run(url, work);
}

/** Wraps `slot`: work waits until requests to hubs may leave, and takes a slot only then. */
function whenAllowed(slot: RunInSlot | undefined, { requestsAllowed }: EffectOptions): RunInSlot | undefined {
  if (requestsAllowed.isOpen) return slot;
  return async (work) => {
    await requestsAllowed.opened;
    await (slot === undefined ? work() : slot(work));
  };
}
