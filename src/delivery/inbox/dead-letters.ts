import { WebSubError } from '../../errors.js';
import { log } from '../../log-events.js';
import { viewNamed, withView, type LogView } from '../../subscription/record/log-view.js';
import type { DeliveryContext } from '../delivery-context.js';
import type { DeadLetterConfig } from '../delivery-config.js';
import type { ContentDistributionMessage } from '../message/message.js';
import type { Inbox } from './inbox.js';
import type { RecoveredEvents } from './recovered-events.js';
import { decodeEvent, type DeadLetterCause, type StoredEvent } from './stored-event.js';

/**
 * An event that is no longer retried. Its handler does not run until it is replayed.
 *
 * @example
 * ```ts
 * for await (const letter of runtime.deadLetters) {
 *   if (letter.cause === 'failed') await runtime.deadLetters.replay(letter.id);
 * }
 * ```
 */
export interface DeadLetter {
  /** The event's id. It is the same on every run of its handler. */
  readonly id: string;
  /** The service's name. */
  readonly service: string;
  readonly subscriptionId: string;
  readonly receivedAt: Date;
  /** When the event became a dead letter. */
  readonly deadSince: Date;
  /** Why the event became a dead letter. */
  readonly cause: DeadLetterCause;
  /** Failed runs of the handler since the event was received or last replayed. */
  readonly attempts: number;
  /** The errors of the last 200 failed runs, oldest first. Includes runs before a replay. */
  readonly errors: readonly { readonly message: string; readonly at: Date }[];
  /** The event; undefined if its subscription no longer exists. */
  readonly event?: ContentDistributionMessage | undefined;
}

/** The number of latest errors that `console.log` shows. */
const SHOWN_ERRORS = 10;
/** Characters that `console.log` shows of each error. */
const SHOWN_CHARACTERS = 200;

/** Shows a dead letter in `console.log`, with the messages of its errors and the summary of its event. */
export const DEAD_LETTER_VIEW: LogView<DeadLetter> = {
  value() {
    const earlier = this.errors.length - SHOWN_ERRORS;
    const messages = this.errors.slice(-SHOWN_ERRORS).map(({ message }) => shorten(message));
    const errors = earlier > 0 ? [`… ${earlier} earlier`, ...messages] : messages;
    return viewNamed('DeadLetter', { ...this, errors });
  },
};

/** The dead letters in the store. Their ids are in memory; their contents are read on demand. */
export class DeadLetters {
  readonly #context: DeliveryContext;
  readonly #inbox: Pick<Inbox, 'requeue'>;
  readonly #recoveredEvents: Pick<RecoveredEvents, 'messageOf'>;
  /** By service: when each event became a dead letter (epoch milliseconds), by id, oldest first. */
  readonly #services = new Map<string, Map<string, number>>();

  constructor(
    context: DeliveryContext,
    inbox: Pick<Inbox, 'requeue'>,
    recoveredEvents: Pick<RecoveredEvents, 'messageOf'>,
  ) {
    this.#context = context;
    this.#inbox = inbox;
    this.#recoveredEvents = recoveredEvents;
  }

  /** The number of dead letters of all services. */
  get count(): number {
    return [...this.#services.values()].reduce((count, letters) => count + letters.size, 0);
  }

  /** Registers a dead letter of a previous process. */
  add({ meta, retry }: StoredEvent): void {
    this.#lettersOf(meta.service).set(meta.id, retry.deadSince ?? 0);
  }

  /** Called once the dead letters of previous processes are registered. Sorts them. */
  onLoaded(): void {
    for (const [service, letters] of this.#services) {
      this.#services.set(service, new Map([...letters].toSorted(([, one], [, other]) => one - other)));
    }
  }

  /** Registers a new dead letter that is already stored. Never rejects: the sweep repeats a failed removal. */
  async onDeadLettered(event: StoredEvent): Promise<void> {
    this.add(event);
    try {
      await this.#trim(event.meta.service);
    } catch (error) {
      log(this.#context.logger, 'dead-letter.trim-failed', { err: error });
    }
  }

  /** Removes dead letters older than `keepSeconds`, and the oldest above `keepCount`. */
  async sweep(): Promise<void> {
    for (const service of this.#services.keys()) await this.#trim(service);
  }

  /** Lists the dead letters of each service, oldest first. Logs and skips a record that cannot be read. */
  async *list(): AsyncGenerator<DeadLetter> {
    const { logger } = this.#context;
    // A fixed list, so that an event that is replayed and fails again meanwhile is not listed twice.
    const current = [...this.#services.values()].flatMap((letters) =>
      [...letters.keys()].map((id) => ({ letters, id })),
    );
    for (const { letters, id } of current) {
      if (!letters.has(id)) continue;
      const raw = await this.#context.store.get('event', id);
      // The event may have been replayed or discarded during the read.
      if (!letters.has(id)) continue;
      try {
        const stored = decodeEvent(id, raw);
        yield deadLetter(stored, this.#recoveredEvents.messageOf(stored));
      } catch (error) {
        log(logger, 'dead-letter.unreadable', { eventId: id, err: error });
      }
    }
  }

  /**
   * Runs the handler again, with retries for as long as for a new event. Resolves once the event is stored as waiting.
   *
   * @throws WebSubError if no dead letter has this id, or its service is not declared
   */
  replay(id: string): Promise<void> {
    return this.#runExclusive(id, async () => {
      const { store, logger } = this.#context;
      const [service, letters] = this.#find(id);
      if (this.#retentionOf(service) === undefined) {
        throw new WebSubError(
          `Dead letter ${id} belongs to service "${service}", which is not running in this runtime. ` +
            'Pass that service to startService.',
        );
      }
      await this.#inbox.requeue(decodeEvent(id, await store.get('event', id)));
      letters.delete(id);
      log(logger, 'dead-letter.replayed', { eventId: id, service });
    });
  }

  /**
   * Removes a dead letter permanently.
   *
   * @throws WebSubError if no dead letter has this id
   */
  discard(id: string): Promise<void> {
    return this.#runExclusive(id, async () => {
      const [service, letters] = this.#find(id);
      await this.#remove(letters, id);
      log(this.#context.logger, 'dead-letter.discarded', { eventId: id, service });
    });
  }

  async #trim(service: string): Promise<void> {
    const { now, logger } = this.#context;
    const retention = this.#retentionOf(service);
    const letters = this.#lettersOf(service);
    if (retention === undefined) return;
    const { keepSeconds, keepCount } = retention;
    const cutoff = now() - keepSeconds * 1000;
    for (const [id, since] of letters) {
      if (letters.size <= keepCount && since >= cutoff) return;
      await this.#runExclusive(id, async () => {
        if (!letters.has(id)) return;
        await this.#remove(letters, id);
        const reason = since < cutoff ? `older than ${keepSeconds} s` : `more than ${keepCount} are there`;
        log(logger, 'dead-letter.removed', { eventId: id, service, detail: reason });
      });
    }
  }

  /** Undefined for a service that is not declared. Its dead letters stay in the store unchanged. */
  #retentionOf(service: string): Required<DeadLetterConfig> | undefined {
    return this.#context.services.get(service)?.delivery.deadLetters;
  }

  async #remove(letters: Map<string, number>, id: string): Promise<void> {
    await this.#context.store.delete('event', id);
    letters.delete(id);
  }

  #runExclusive<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#context.engine.runExclusive(`dead letter ${id}`, work);
  }

  #find(id: string): readonly [service: string, letters: Map<string, number>] {
    for (const [service, letters] of this.#services) if (letters.has(id)) return [service, letters];
    throw new WebSubError(`There is no dead letter ${id}.`);
  }

  #lettersOf(service: string): Map<string, number> {
    const letters = this.#services.get(service) ?? new Map<string, number>();
    this.#services.set(service, letters);
    return letters;
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
