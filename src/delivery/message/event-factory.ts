import type { ClaimedEntries } from '../dedupe/claimed-entries.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { EntriesContext } from './event-entries.js';
import type { FetchedMeta, NewEventMeta } from './event-meta.js';
import { ContentDistributionMessage } from './message.js';
import type { ReceivedContent } from './received-content.js';
import type { EventContext } from '../report.js';
import type { ProcessedLog } from '../dedupe/processed-log.js';
import type { StoredEvent } from '../inbox/stored-event.js';

/** Dependencies of making events. */
export interface EventFactoryOptions {
  readonly processedLog: Pick<ProcessedLog, 'changeOf'>;
  readonly claimedEntries: Pick<ClaimedEntries, 'claim'>;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: () => boolean;
}

/** Makes events from received content, and from stored events. */
export class EventFactory {
  readonly #options: EventFactoryOptions;
  readonly #changeOf: EntriesContext['changeOf'];

  constructor(options: EventFactoryOptions) {
    const { processedLog, claimedEntries } = options;
    this.#options = options;
    this.#changeOf = (dedupeKey, claimant) => {
      const change = processedLog.changeOf(dedupeKey);
      return claimant === undefined ? change : claimedEntries.claim(dedupeKey, change, claimant);
    };
  }

  /**
   * @param receivedAt epoch milliseconds
   * @param fetched absent for content that a hub sent
   */
  create(
    subscription: StoredSubscription,
    grant: GrantRecord,
    content: ReceivedContent,
    receivedAt: number,
    fetched?: Pick<FetchedMeta, 'source' | 'newEntryKeys'>,
  ): EventContext {
    const { id: subscriptionId, service } = subscription.record;
    // Every field has its place from the start: adding one later would cost each delivery time.
    const meta: NewEventMeta = {
      id: undefined,
      service,
      subscriptionId,
      grantId: grant.id,
      receivedAt,
      position: undefined,
      source: fetched?.source,
      newEntryKeys: fetched?.newEntryKeys,
      dedupeKeys: undefined,
      isPing: undefined,
    };
    return {
      subscription,
      grant,
      meta,
      content,
      event: this.#createMessage(subscription, grant, content, meta, 1),
      dedupeKeys: undefined,
    };
  }

  /**
   * Undefined when its subscription is gone.
   *
   * @param content the topic's content that was fetched for a ping
   */
  fromStored({ meta, content: stored }: StoredEvent, attempt: number, content = stored): EventContext | undefined {
    const subscription = this.#options.subscriptionOf(meta.subscriptionId);
    const grant = subscription?.record.grants.find(({ id }) => id === meta.grantId) ?? subscription?.record.grants[0];
    if (subscription === undefined || grant === undefined) return undefined;
    const event = this.#createMessage(subscription, grant, content, meta, attempt);
    return { subscription, grant, meta, content, event, dedupeKeys: content === stored ? meta.dedupeKeys : undefined };
  }

  #createMessage(
    { record, counters }: StoredSubscription,
    grant: GrantRecord,
    content: ReceivedContent,
    meta: NewEventMeta,
    attempt: number,
  ): ContentDistributionMessage {
    const isAborted = this.#options.isAborted();
    return new ContentDistributionMessage(content, meta, {
      record,
      counters,
      grant,
      attempt,
      isAborted,
      changeOf: this.#changeOf,
    });
  }
}
