import type { ClaimedEntries } from '../dedupe/claimed-entries.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import type { EntriesContext } from './event-entries.js';
import type { FetchedMeta, NewEventMeta } from './event-meta.js';
import { ContentDistributionMessage } from './message.js';
import type { ReceivedContent } from './received-content.js';
import type { Reception } from '../report.js';
import type { SeenNews } from '../dedupe/processed-log.js';
import type { StoredEvent } from '../inbox/stored-event.js';

/** Dependencies of making events. */
export interface ReceptionsOptions {
  readonly seen: Pick<SeenNews, 'changeOf'>;
  readonly claimed: Pick<ClaimedEntries, 'take'>;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: () => boolean;
}

/** Makes events from received content, and from stored events. */
export class Receptions {
  readonly #options: ReceptionsOptions;
  readonly #changeOf: EntriesContext['changeOf'];

  constructor(options: ReceptionsOptions) {
    const { seen, claimed } = options;
    this.#options = options;
    this.#changeOf = (piece, claimant) => {
      const change = seen.changeOf(piece);
      return claimant === undefined ? change : claimed.take(piece, change, claimant);
    };
  }

  /**
   * @param receivedAt epoch milliseconds
   * @param fetched absent for content that a hub sent
   */
  of(
    entry: Entry,
    grant: GrantRecord,
    content: ReceivedContent,
    receivedAt: number,
    fetched?: Pick<FetchedMeta, 'source' | 'only'>,
  ): Reception {
    const { id: subscriptionId, service } = entry.record;
    // Every field has its place from the start: adding one later would cost each delivery time.
    const meta: NewEventMeta = {
      id: undefined,
      service,
      subscriptionId,
      grantId: grant.id,
      receivedAt,
      position: undefined,
      source: fetched?.source,
      only: fetched?.only,
      dedupeKeys: undefined,
      isPing: undefined,
    };
    return { entry, grant, meta, content, event: this.#message(entry, grant, content, meta, 1), pieces: undefined };
  }

  /**
   * Undefined when its subscription is gone.
   *
   * @param content the topic's content that was fetched for a ping
   */
  ofStored({ meta, content: stored }: StoredEvent, attempt: number, content = stored): Reception | undefined {
    const entry = this.#options.entryOf(meta.subscriptionId);
    const grant = entry?.record.grants.find(({ id }) => id === meta.grantId) ?? entry?.record.grants[0];
    if (entry === undefined || grant === undefined) return undefined;
    const event = this.#message(entry, grant, content, meta, attempt);
    return { entry, grant, meta, content, event, pieces: content === stored ? meta.dedupeKeys : undefined };
  }

  #message(
    { record, counters }: Entry,
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
