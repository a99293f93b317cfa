import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;
const ID = 'runtime';
const EVERY_MINUTE = '30 * * * * *';

/** Whoever has not been noted for so long was not there: the machine slept, or the process stood still. In milliseconds. */
const LONGEST_SILENCE_MS = 180_000;

/** What knowing of an absence works with. */
export interface AbsenceOptions {
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'every'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The services that receive. */
  readonly services: () => readonly string[];
  /** Told when nobody was there although the process was, since when in epoch milliseconds. */
  readonly onAway: (since: number) => void;
  /** Since when some news may be missing that is not made up for; undefined where none is. */
  readonly behindSince: () => number | undefined;
}

/**
 * Notes in the store which services receive, so that the next process knows for how long each did not: one that a process
 * leaves out is away as well.
 */
export class Absence {
  readonly #options: AbsenceOptions;
  /** Until when each service received and missed nothing, in epoch milliseconds. */
  #received = new Map<string, number>();
  #notedAt: number | undefined;

  constructor(options: AbsenceOptions) {
    this.#options = options;
  }

  /** Reads what a previous process noted. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      const raw = await store.get('alive', ID);
      if (raw !== undefined) this.#received = new Map(servicesOf(decodeRecord(VERSION, raw, {}, `alive ${ID}`)));
    } catch (error) {
      logger.error(
        { err: error },
        'since when nobody was there to receive is not known: what was missed then is missing',
      );
    }
  }

  /** Since when a service was away, or news of it was missing, in epoch milliseconds; undefined where it never received. */
  since(service: string): number | undefined {
    const until = this.#received.get(service);
    // A clock that was set back has not been there yet.
    return until === undefined ? undefined : Math.min(this.#options.now(), until);
  }

  /** The services receive from now on. */
  async begin(): Promise<void> {
    this.#options.engine.every(EVERY_MINUTE, () => {
      const { now, onAway } = this.#options;
      if (this.#notedAt !== undefined && now() - this.#notedAt > LONGEST_SILENCE_MS) onAway(this.#notedAt);
      void this.note();
    });
    this.#notedAt = this.#options.now();
    await this.note();
  }

  /** Notes that they still do. Never rejects. */
  async note(): Promise<void> {
    if (this.#notedAt === undefined) return;
    const { store, logger, now, behindSince, services } = this.#options;
    const at = now();
    this.#notedAt = at;
    const until = Math.min(at, behindSince() ?? at);
    for (const service of services()) this.#received.set(service, until);
    try {
      await store.set('alive', ID, encodeRecord(VERSION, { services: [...this.#received] }));
    } catch (error) {
      logger.warn({ err: error }, 'that there is somebody to receive could not be noted: tried again in a minute');
    }
  }
}

function servicesOf(data: unknown): readonly (readonly [service: string, until: number])[] {
  const { services }: { readonly services?: unknown } = Object(data);
  if (Array.isArray(services) && services.every(isNote)) return services;
  throw new Error('The record does not say who received, and until when.');
}

function isNote(note: unknown): note is [service: string, until: number] {
  return Array.isArray(note) && typeof note[0] === 'string' && Number.isFinite(note[1]);
}
