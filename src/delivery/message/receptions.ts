import type { ClaimedEntries } from '../dedupe/claimed-entries.js';
import type { GrantRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import type { ContentDistributionMessage } from './message.js';
import type { Piece } from '../dedupe/piece.js';
import { messageOf, type ReceptionFacts } from './message-of.js';
import type { GenuineContent } from './received-content.js';
import type { Reception } from '../report.js';
import type { SeenNews } from '../dedupe/seen-news.js';
import type { StoredEvent } from '../inbox/stored-event.js';

/** Dependencies of making events. */
export interface ReceptionsOptions {
  readonly seen: Pick<SeenNews, 'changeOf'>;
  readonly claimed: Pick<ClaimedEntries, 'take'>;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: () => boolean;
}

/** Content that came, or that was fetched. */
export interface NewContent extends GenuineContent, Partial<Pick<StoredEvent, 'source' | 'only'>> {
  /** Of its entries, where they are known. */
  readonly pieces?: readonly Piece[];
}

/** Makes events of what has come, and of what was stored. */
export class Receptions {
  readonly #options: ReceptionsOptions;
  readonly #changeOf: ReceptionFacts['changeOf'];

  constructor(options: ReceptionsOptions) {
    const { seen, claimed } = options;
    this.#options = options;
    this.#changeOf = (piece, claimant) => {
      const change = seen.changeOf(piece);
      return claimant === undefined ? change : claimed.take(piece, change, claimant);
    };
  }

  /** @param receivedAt epoch milliseconds */
  of(entry: Entry, grant: GrantRecord, content: NewContent, receivedAt: number): Reception {
    const event = this.#message(entry, grant, content, { receivedAt, attempt: 1 });
    return { entry, grant, receivedAt, event, pieces: undefined };
  }

  /** Undefined where its subscription is gone. */
  ofStored(stored: StoredEvent, attempt: number, content: GenuineContent = stored): Reception | undefined {
    const entry = this.#options.entryOf(stored.subscriptionId);
    const grant = entry?.record.grants.find(({ id }) => id === stored.grantId) ?? entry?.record.grants[0];
    if (entry === undefined || grant === undefined) return undefined;
    const { id, receivedAt, source, only } = stored;
    const event = this.#message(entry, grant, { ...content, source, only }, { id, receivedAt, attempt });
    // The topic fetched for a ping is other content than the stored body.
    return { entry, grant, receivedAt, event, pieces: content === stored ? stored.pieces : undefined };
  }

  #message(
    entry: Entry,
    grant: GrantRecord,
    content: NewContent,
    facts: Pick<ReceptionFacts, 'id' | 'receivedAt' | 'attempt'>,
  ): ContentDistributionMessage {
    return messageOf(entry, grant, content, {
      id: facts.id,
      receivedAt: facts.receivedAt,
      attempt: facts.attempt,
      source: content.source ?? 'hub',
      only: content.only,
      isAborted: this.#options.isAborted(),
      changeOf: this.#changeOf,
    });
  }
}
