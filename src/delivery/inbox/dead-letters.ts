import type { Engine } from '../../engine/engine.js';
import { WebSubError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import { viewNamed, withView, type LogView } from '../../subscription/record/log-view.js';
import type { DeadLetterConfig } from '../delivery-config.js';
import type { ContentDistributionMessage } from '../message/message.js';
import { decodeEvent, type DeadLetterCause, type StoredEvent } from './stored-event.js';

/** An event that was given up: no handler is run with it until it is replayed. */
export interface DeadLetter {
  /** The event's id: the same as on every run of its handler. */
  readonly id: string;
  /** The service's name. */
  readonly service: string;
  readonly subscriptionId: string;
  readonly receivedAt: Date;
  /** When it was given up. */
  readonly deadSince: Date;
  /** Why it was given up. */
  readonly cause: DeadLetterCause;
  /** Runs of the handler that failed, since it was received or last replayed. */
  readonly attempts: number;
  /** What the runs failed with, the oldest first: the last 200 of them, also from before a replay. */
  readonly errors: readonly { readonly message: string; readonly at: Date }[];
  /** The news; undefined where its subscription is gone. */
  readonly event?: ContentDistributionMessage | undefined;
}

/** Dependencies of keeping dead letters. */
export interface DeadLettersOptions {
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'runExclusive'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Undefined for a service the code does not have: its dead letters are kept and left alone. */
  readonly retentionOf: (service: string) => Required<DeadLetterConfig> | undefined;
  /** Stores an event as one that waits for its handler again, to be run at a later turn. Rejects where it cannot be stored. */
  readonly requeue: (event: StoredEvent) => Promise<void>;
  readonly eventOf: (event: StoredEvent) => ContentDistributionMessage | undefined;
}

/** How many errors `console.log` shows, the latest, and how many characters of each. */
const SHOWN_ERRORS = 10;
const SHOWN_CHARACTERS = 200;

/** Shows a dead letter in `console.log`: its errors by their messages, and its event by its summary. */
export const DEAD_LETTER_VIEW: LogView<DeadLetter> = {
  value() {
    const earlier = this.errors.length - SHOWN_ERRORS;
    const messages = this.errors.slice(-SHOWN_ERRORS).map(({ message }) => shorten(message));
    const errors = earlier > 0 ? [`… ${earlier} earlier`, ...messages] : messages;
    return viewNamed('DeadLetter', { ...this, errors });
  },
};

/** The events that were given up, as they lie in the store; which there are is known without reading it. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  /** Since when each of a service's is dead, by id, the oldest first; epoch milliseconds. */
  readonly #services = new Map<string, Map<string, number>>();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** How many there are, of all services. */
  get count(): number {
    return [...this.#services.values()].reduce((count, letters) => count + letters.size, 0);
  }

  /** Takes note of one that a previous process left. */
  add({ meta, retry }: StoredEvent): void {
    this.#lettersOf(meta.service).set(meta.id, retry.deadSince ?? 0);
  }

  /** All that previous processes left were found. */
  onLoaded(): void {
    for (const [service, letters] of this.#services) {
      this.#services.set(service, new Map([...letters].toSorted(([, one], [, other]) => one - other)));
    }
  }

  /** Takes note of an event that was given up and is stored as such. Never rejects: what cannot be removed is later. */
  async onDeadLettered(event: StoredEvent): Promise<void> {
    this.add(event);
    try {
      await this.#trim(event.meta.service);
    } catch (error) {
      this.#options.logger.warn(
        { err: error },
        'dead letters past their number cannot be removed: the sweep tries again',
      );
    }
  }

  /** Removes those that are past their time or their number. */
  async sweep(): Promise<void> {
    for (const service of this.#services.keys()) await this.#trim(service);
  }

  /** Those of each service, the oldest first. What cannot be read is logged and left as it is. */
  async *list(): AsyncGenerator<DeadLetter> {
    const { eventOf, logger } = this.#options;
    // Those that are there now: one that is replayed and fails again meanwhile does not come twice.
    const there = [...this.#services.values()].flatMap((letters) => [...letters.keys()].map((id) => ({ letters, id })));
    for (const { letters, id } of there) {
      if (!letters.has(id)) continue;
      const raw = await this.#options.store.get('event', id);
      // It may have been replayed or discarded meanwhile.
      if (!letters.has(id)) continue;
      try {
        const stored = decodeEvent(id, raw);
        yield deadLetter(stored, eventOf(stored));
      } catch (error) {
        logger.error({ event: id, err: error }, 'a dead letter cannot be read: left as it is');
      }
    }
  }

  /**
   * Has its handler run again, and tried again for as long as an event that has just come. Resolves when that is stored.
   *
   * @throws WebSubError where there is none of that id, or its service is not there
   */
  replay(id: string): Promise<void> {
    return this.#runExclusive(id, async () => {
      const { store, logger, retentionOf, requeue } = this.#options;
      const [service, letters] = this.#find(id);
      if (retentionOf(service) === undefined) {
        throw new WebSubError(
          `The dead letter ${id} is for service "${service}", which is not declared: start it, too.`,
        );
      }
      await requeue(decodeEvent(id, await store.get('event', id)));
      letters.delete(id);
      logger.info({ event: id, service }, 'a dead letter is replayed');
    });
  }

  /**
   * Removes it for good.
   *
   * @throws WebSubError where there is none of that id
   */
  discard(id: string): Promise<void> {
    return this.#runExclusive(id, async () => {
      const [service, letters] = this.#find(id);
      await this.#remove(letters, id);
      this.#options.logger.info({ event: id, service }, 'a dead letter is discarded');
    });
  }

  async #trim(service: string): Promise<void> {
    const { retentionOf, now, logger } = this.#options;
    const retention = retentionOf(service);
    const letters = this.#lettersOf(service);
    if (retention === undefined) return;
    const { keepSeconds, keepCount } = retention;
    const oldest = now() - keepSeconds * 1000;
    for (const [id, since] of letters) {
      if (letters.size <= keepCount && since >= oldest) return;
      await this.#runExclusive(id, async () => {
        if (!letters.has(id)) return;
        await this.#remove(letters, id);
        const why = since < oldest ? `older than ${keepSeconds} s` : `more than ${keepCount} are there`;
        logger.warn({ event: id, service }, `a dead letter is removed: ${why}`);
      });
    }
  }

  async #remove(letters: Map<string, number>, id: string): Promise<void> {
    await this.#options.store.delete('event', id);
    letters.delete(id);
  }

  #runExclusive<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#options.engine.runExclusive(`dead letter ${id}`, work);
  }

  #find(id: string): readonly [service: string, letters: Map<string, number>] {
    for (const [service, letters] of this.#services) if (letters.has(id)) return [service, letters];
    throw new WebSubError(`There is no dead letter ${id}.`);
  }

  #lettersOf(service: string): Map<string, number> {
    const known = this.#services.get(service) ?? new Map<string, number>();
    this.#services.set(service, known);
    return known;
  }
}

function deadLetter(stored: StoredEvent, event: ContentDistributionMessage | undefined): DeadLetter {
  const { id, service, subscriptionId, receivedAt } = stored.meta;
  const { deadSince = 0, deadCause = 'failed', attempts, errors } = stored.retry;
  const letter: DeadLetter = {
    id,
    service,
    subscriptionId,
    receivedAt: new Date(receivedAt),
    deadSince: new Date(deadSince),
    cause: deadCause,
    attempts,
    errors: errors.map(({ message, at }) => ({ message, at: new Date(at) })),
    event,
  };
  return withView(letter, DEAD_LETTER_VIEW);
}

function shorten(message: string): string {
  const characters = Array.from(message);
  return characters.length > SHOWN_CHARACTERS ? `${characters.slice(0, SHOWN_CHARACTERS).join('')}…` : message;
}
