import type { SubscriberHooks } from '../../delivery/hook-payloads.js';
import type { OriginRateLimits } from '../../hub/pacing/origin-rate-limits.js';
import type { OriginLimiter } from '../../hub/pacing/origin-limiter.js';
import type { Logger } from '../../logger.js';
import type { Effect } from '../../subscription/machine/events.js';
import type { HubClient } from '../../subscription/requests/hub-client.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { RequestPolicy } from '../../subscription/request-policy.js';
import { announce, logFieldsOf } from './hook-log.js';
import type { Latch } from '../lifecycle/latch.js';
import type { EventPipeline } from './event-pipeline.js';
import type { Slot, BackgroundTasks } from './background-tasks.js';

/** Dependencies of carrying out effects. */
export interface EffectOptions {
  readonly client: HubClient;
  readonly pipeline: Pick<EventPipeline, 'catchUp' | 'startPolling' | 'resumeTopic'>;
  readonly backgroundTasks: BackgroundTasks;
  /** Turns at servers. */
  readonly pacing: OriginLimiter;
  /** Origins that are left alone. */
  readonly rateLimits: Pick<OriginRateLimits, 'bypass'>;
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly requestPolicyOf: (service: string) => RequestPolicy | undefined;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  /** Whether the runtime stops: nothing is subscribed any more. */
  readonly isClosing: () => boolean;
  /** Open when hubs may be asked: the callbacks are answered by then. */
  readonly requestsAllowed: Latch;
}

/** Carries out what a transition asked for: on the network in the background, in the log and the hooks at once. */
export function performEffect(options: EffectOptions, record: SubscriptionRecord, effect: Effect): void {
  const {
    client,
    pipeline,
    backgroundTasks,
    rateLimits,
    hooks,
    logger,
    now,
    requestPolicyOf,
    subscriptionOf,
    isClosing,
  } = options;
  const policy = requestPolicyOf(record.service);
  const stored = subscriptionOf(record.id);
  if (policy === undefined || stored === undefined) return;
  // When its turn has come, which may be much later, it may be another, or gone.
  const currentRecord = (): SubscriptionRecord | undefined => subscriptionOf(record.id)?.record;
  switch (effect.type) {
    case 'discover': {
      const discover = async (): Promise<void> => {
        const current = currentRecord();
        if (current !== undefined && !isClosing()) await client.discover(current, policy);
      };
      const slot = whenAllowed(slotAt(discoveryUrlOf(record), options), options);
      backgroundTasks.startUnlessRunning(`${record.id} discover`, discover, 'a discovery failed', slot);
      return;
    }
    case 'request': {
      const { grantId, mode } = effect;
      if (mode === 'subscribe') pipeline.startPolling(record);
      const hub = grantOf(record, grantId)?.hub;
      const request = async (): Promise<void> => {
        const current = currentRecord();
        if (current === undefined || (mode === 'subscribe' && isClosing())) return;
        await client.request(current, grantId, mode, policy);
      };
      const inSlot = slotAt(hub, options);
      // A request that will be put off takes no turn: discovery shares them. The request looks again when it leaves.
      const isDeferred = (): boolean => mode === 'subscribe' && client.wouldDefer(record, grantId);
      const slot: Slot | undefined = inSlot && ((work) => (isDeferred() ? work() : inSlot(work)));
      // A second one is another request: what the first was for may be over by now, and its answer does not count.
      backgroundTasks.startAfterCurrent(
        `${grantId} ${mode}`,
        request,
        'a hub could not be asked',
        whenAllowed(slot, options),
      );
      return;
    }
    case 'release':
      rateLimits.bypass(record.id);
      return;
    case 'catch-up':
      pipeline.catchUp(record);
      return;
    case 'warn':
      logger.warn(logFieldsOf(record, grantOf(record, effect.grantId)), effect.message);
      return;
    case 'hook':
      if (effect.name === 'verified' || effect.name === 'renewed') pipeline.resumeTopic(record);
      announce(record, effect, { entry: stored, hooks, logger, now, isClosing });
      return;
  }
}

function grantOf({ grants }: SubscriptionRecord, grantId: string): GrantRecord | undefined {
  return grants.find(({ id }) => id === grantId);
}

/** Where a discovery begins; nowhere, where hub and topic are given. */
function discoveryUrlOf({ target }: SubscriptionRecord): string | undefined {
  return typeof target === 'string' ? target : undefined;
}

/** A turn at a server (PROTOCOL L5). */
function slotAt(url: string | undefined, { pacing }: EffectOptions): Slot | undefined {
  return url === undefined ? undefined : (work) => pacing.run(url, work);
}

/** Holds a request back until hubs may be asked. It takes its turn only then. */
function whenAllowed(slot: Slot | undefined, { requestsAllowed }: EffectOptions): Slot | undefined {
  if (requestsAllowed.isOpen) return slot;
  return async (work) => {
    await requestsAllowed.opened;
    await (slot === undefined ? work() : slot(work));
  };
}
