import type { Hooks } from '../delivery/hooks.js';
import type { Logger } from '../logger.js';
import type { Effect } from '../subscription/events.js';
import type { HubClient } from '../subscription/hub-client.js';
import type { SubscriptionRecord } from '../subscription/record.js';
import type { Entry } from '../subscription/registry.js';
import type { ServiceTerms } from '../subscription/terms.js';
import { announce } from './hook-log.js';
import type { UnderWay } from './under-way.js';

/** What carrying out effects works with. */
export interface EffectOptions {
  readonly client: HubClient;
  readonly underWay: UnderWay;
  readonly hooks: Hooks;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly termsOf: (service: string) => ServiceTerms | undefined;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** Whether the runtime stops: nothing is subscribed any more. */
  readonly isClosing: () => boolean;
}

/** Carries out what a transition asked for: on the network in the background, in the log and the hooks at once. */
export function perform(options: EffectOptions, record: SubscriptionRecord, effect: Effect): void {
  const { client, underWay, hooks, logger, now, termsOf, entryOf, isClosing } = options;
  const terms = termsOf(record.service);
  const entry = entryOf(record.id);
  if (terms === undefined || entry === undefined) return;
  switch (effect.type) {
    case 'discover':
      if (isClosing()) return;
      underWay.once(`${record.id} discover`, () => client.discover(record, terms), 'a discovery failed');
      return;
    case 'request': {
      const { grantId, mode } = effect;
      const ask = async (): Promise<void> => {
        if (mode === 'unsubscribe' || !isClosing()) await client.request(record, grantId, mode, terms);
      };
      // A second one is another request: what the first was for may be over by now, and its answer does not count.
      underWay.next(`${grantId} ${mode}`, ask, 'a hub could not be asked');
      return;
    }
    case 'warn':
      logger.warn({ subscription: record.id, grant: effect.grantId }, effect.message);
      return;
    case 'hook':
      announce(record, effect, { entry, hooks, logger, now });
      return;
  }
}
