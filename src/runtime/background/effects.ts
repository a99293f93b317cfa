import type { TopicCrashGuard } from '../../delivery/crash-guard/topic-crash-guard.js';
import type { DeliveryContext } from '../../delivery/delivery-context.js';
import type { OriginRateLimits } from '../../hub/pacing/origin-rate-limits.js';
import type { OriginConcurrencyLimiter } from '../../hub/pacing/origin-concurrency-limiter.js';
import { log, type SubscriptionFields } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { LogEffect, NamedEffect } from '../../subscription/machine/transition-types.js';
import type { SubscriptionRequests } from '../../subscription/requests/subscription-requests.js';
import { grantOf } from '../../subscription/machine/state.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { RequestPolicy } from '../../subscription/request-policy.js';
import { logAndEmitHook, logFieldsOf } from './transition-hooks.js';
import type { Latch } from '../lifecycle/latch.js';
import type { RunInSlot, BackgroundTasks } from './background-tasks.js';

/** The parts that effects are carried out with. */
export interface EffectParts {
  readonly registry: Pick<Registry, 'get' | 'policyOf'>;
  readonly requests: SubscriptionRequests;
  readonly backgroundTasks: BackgroundTasks;
  /** Limits requests in flight per origin. */
  readonly concurrencyLimiter: OriginConcurrencyLimiter;
  /** Rate limited origins. */
  readonly rateLimits: Pick<OriginRateLimits, 'bypass'>;
  readonly topicCrashGuard: Pick<TopicCrashGuard, 'onRenewed'>;
  /** Opens once requests to hubs may leave. Callbacks are answered by then. */
  readonly requestsAllowed: Latch;
}

/** Carries out the effects of transitions: network requests in the background, log lines and hooks at once. */
export class Effects {
  readonly #context: Pick<DeliveryContext, 'hooks' | 'logger' | 'now' | 'closing'>;
  readonly #parts: EffectParts;

  constructor(context: Pick<DeliveryContext, 'hooks' | 'logger' | 'now' | 'closing'>, parts: EffectParts) {
    this.#context = context;
    this.#parts = parts;
  }

  carryOut(record: SubscriptionRecord, effect: NamedEffect): void {
    const { registry, rateLimits, topicCrashGuard } = this.#parts;
    const policy = registry.policyOf(record);
    const stored = registry.get(record.id);
    if (policy === undefined || stored === undefined) return;
    switch (effect.type) {
      case 'discover':
        this.#discover(record, policy);
        return;
      case 'request':
        this.#request(record, effect, policy);
        return;
      case 'bypass-rate-limits':
        rateLimits.bypass(record.id);
        return;
      case 'log':
        logEffect(this.#context.logger, logFieldsOf(record, grantOf(record, effect.grantId)), effect);
        return;
      case 'hook':
        // A topic that was skipped after crashes may be fetched again.
        if (effect.name === 'verified' || effect.name === 'renewed') topicCrashGuard.onRenewed(record.id);
        logAndEmitHook(this.#context, stored, record, effect);
        return;
    }
  }

  #discover(record: SubscriptionRecord, policy: RequestPolicy): void {
    const { requests, backgroundTasks } = this.#parts;
    const { id } = record;
    const discover = async (): Promise<void> => {
      const current = this.#currentRecord(id);
      if (current !== undefined && !this.#context.closing.isStopping) await requests.discover(current, policy);
    };
    const slot = this.#whenAllowed(this.#slotAt(discoveryUrlOf(record)));
    // A discovery that is wanted meanwhile finds that the first has served it, or runs.
    const task = { task: 'discover', subscription: id } as const;
    void backgroundTasks.startAfterCurrent(`${id} discover`, discover, task, slot);
  }

  #request(
    record: SubscriptionRecord,
    { grantId, mode }: Extract<NamedEffect, { type: 'request' }>,
    policy: RequestPolicy,
  ): void {
    const { requests, backgroundTasks } = this.#parts;
    const { id } = record;
    const request = async (): Promise<void> => {
      const current = this.#currentRecord(id);
      if (current === undefined || (mode === 'subscribe' && this.#context.closing.isStopping)) return;
      await requests.request(current, grantId, mode, policy);
    };
    const inSlot = this.#slotAt(grantOf(record, grantId)?.hub);
    // A request that will be deferred takes no slot, because discovery shares the slots. The request checks again
    // when it leaves.
    const isDeferred = (): boolean => mode === 'subscribe' && requests.wouldDefer(record, grantId);
    const slot: RunInSlot | undefined = inSlot && ((work) => (isDeferred() ? work() : inSlot(work)));
    // Work that had to wait sends the request that is current by then. If there is none, it sends nothing.
    const task = { task: mode, subscription: id } as const;
    void backgroundTasks.startAfterCurrent(`${grantId} ${mode}`, request, task, this.#whenAllowed(slot));
  }

  /** By the time a slot is free, the record may have changed or been removed. */
  #currentRecord(id: string): SubscriptionRecord | undefined {
    return this.#parts.registry.get(id)?.record;
  }

  /** Returns a function that runs work in a slot of the URL's origin (PROTOCOL L5); undefined without a URL. */
  #slotAt(url: string | undefined): RunInSlot | undefined {
    return url === undefined ? undefined : (work) => this.#parts.concurrencyLimiter.run(url, work);
  }

  /** Wraps `slot`: work waits until requests to hubs may leave, and takes a slot only then. */
  #whenAllowed(slot: RunInSlot | undefined): RunInSlot | undefined {
    const { requestsAllowed } = this.#parts;
    if (requestsAllowed.isOpen) return slot;
    return async (work) => {
      await requestsAllowed.opened;
      await (slot === undefined ? work() : slot(work));
    };
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
