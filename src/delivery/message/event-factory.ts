import type { ClaimedEntries } from '../dedupe/claimed-entries.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import type { Registry, StoredSubscription } from '../../subscription/registry/registry.js';
import type { EntriesContext } from './event-entries.js';
import type { FetchedMeta, NewEventMeta } from './event-meta.js';
import { ContentDistributionMessage } from './message.js';
import type { ReceivedContent } from './received-content.js';
import type { EventContext } from '../event-context.js';
import type { ProcessedLog } from '../dedupe/processed-log.js';
import type { StoredEvent } from '../inbox/stored-event.js';

/** The parts that events are created from. */
export interface EventParts {
  readonly processedLog: Pick<ProcessedLog, 'changeOf'>;
  readonly claimedEntries: Pick<ClaimedEntries, 'claim'>;
  readonly registry: Pick<Registry, 'get'>;
  /** Aborted once the runtime no longer waits for handlers. */
  readonly aborted: AbortSignal;
}

/** Creates events from received content and from stored events. */
export class EventFactory {
  readonly #parts: EventParts;
  readonly #changeOf: EntriesContext['changeOf'];

  constructor(parts: EventParts) {
    const { processedLog, claimedEntries } = parts;
    this.#parts = parts;
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
    // All fields exist from the start: adding one later changes the object's shape and slows down every delivery.
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
   * Creates the event of a stored event; undefined if its subscription or all its grants are gone.
   *
   * @param content the topic's content if it was fetched for a thin ping
   */
  fromStored({ meta, content: stored }: StoredEvent, attempt: number, content = stored): EventContext | undefined {
    const subscription = this.#parts.registry.get(meta.subscriptionId);
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
    const isAborted = this.#parts.aborted.aborted;
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
