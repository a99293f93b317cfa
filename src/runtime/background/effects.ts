import type { SubscriberHooks } from '../../delivery/hook-payloads.js';
import type { OriginHolds } from '../../hub/pacing/origin-rate-limits.js';
import type { Pacing } from '../../hub/pacing/origin-limiter.js';
import type { Logger } from '../../logger.js';
import type { Effect } from '../../subscription/machine/events.js';
import type { HubClient } from '../../subscription/requests/hub-client.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import type { ServiceTerms } from '../../subscription/request-policy.js';
import { announce, placeOf } from './hook-log.js';
import type { Latch } from '../lifecycle/latch.js';
import type { News } from './event-pipeline.js';
import type { Turn, UnderWay } from './background-tasks.js';

/** Dependencies of carrying out effects. */
export interface EffectOptions {
  readonly client: HubClient;
  readonly news: Pick<News, 'catchUp' | 'watch' | 'renewed'>;
  readonly underWay: UnderWay;
  /** Turns at servers. */
  readonly pacing: Pacing;
  /** Origins that are left alone. */
  readonly holds: Pick<OriginHolds, 'release'>;
  readonly hooks: SubscriberHooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly termsOf: (service: string) => ServiceTerms | undefined;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** Whether the runtime stops: nothing is subscribed any more. */
  readonly isClosing: () => boolean;
  /** Open when hubs may be asked: the callbacks are answered by then. */
  readonly begun: Latch;
}

/** Carries out what a transition asked for: on the network in the background, in the log and the hooks at once. */
export function perform(options: EffectOptions, record: SubscriptionRecord, effect: Effect): void {
  const { client, news, underWay, holds, hooks, logger, now, termsOf, entryOf, isClosing } = options;
  const terms = termsOf(record.service);
  const entry = entryOf(record.id);
  if (terms === undefined || entry === undefined) return;
  // When its turn has come, which may be much later, it may be another, or gone.
  const presentRecord = (): SubscriptionRecord | undefined => entryOf(record.id)?.record;
  switch (effect.type) {
    case 'discover': {
      const look = async (): Promise<void> => {
        const present = presentRecord();
        if (present !== undefined && !isClosing()) await client.discover(present, terms);
      };
      const turn = whenBegun(turnAt(originOf(record), options), options);
      underWay.once(`${record.id} discover`, look, 'a discovery failed', turn);
      return;
    }
    case 'request': {
      const { grantId, mode } = effect;
      if (mode === 'subscribe') news.watch(record);
      const hub = grantOf(record, grantId)?.hub;
      const ask = async (): Promise<void> => {
        const present = presentRecord();
        if (present === undefined || (mode === 'subscribe' && isClosing())) return;
        await client.request(present, grantId, mode, terms);
      };
      const inTurn = turnAt(hub, options);
      // A request that will be put off takes no turn: discovery shares them. The request looks again when it leaves.
      const isPutOff = (): boolean => mode === 'subscribe' && client.wouldHold(record, grantId);
      const turn: Turn | undefined = inTurn && ((work) => (isPutOff() ? work() : inTurn(work)));
      // A second one is another request: what the first was for may be over by now, and its answer does not count.
      underWay.next(`${grantId} ${mode}`, ask, 'a hub could not be asked', whenBegun(turn, options));
      return;
    }
    case 'release':
      holds.release(record.id);
      return;
    case 'catch-up':
      news.catchUp(record);
      return;
    case 'warn':
      logger.warn(placeOf(record, grantOf(record, effect.grantId)), effect.message);
      return;
    case 'hook':
      if (effect.name === 'verified' || effect.name === 'renewed') news.renewed(record);
      announce(record, effect, { entry, hooks, logger, now, isClosing });
      return;
  }
}

function grantOf({ grants }: SubscriptionRecord, grantId: string): GrantRecord | undefined {
  return grants.find(({ id }) => id === grantId);
}

/** Where a discovery begins; nowhere, where hub and topic are given. */
function originOf({ target }: SubscriptionRecord): string | undefined {
  return typeof target === 'string' ? target : undefined;
}

/** A turn at a server (PROTOCOL L5). */
function turnAt(url: string | undefined, { pacing }: EffectOptions): Turn | undefined {
  return url === undefined ? undefined : (work) => pacing.inTurn(url, work);
}

/** Holds a request back until hubs may be asked. It takes its turn only then. */
function whenBegun(turn: Turn | undefined, { begun }: EffectOptions): Turn | undefined {
  if (begun.isOpen) return turn;
  return async (work) => {
    await begun.opened;
    await (turn === undefined ? work() : turn(work));
  };
}
