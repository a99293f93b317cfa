import type { Engine } from '../engine/engine.js';
import type { Logger } from '../logger.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';

const VERSION = 1;
const ID = 'runtime';
const EVERY_MINUTE = '30 * * * * *';

/** What knowing of an absence works with. */
export interface AbsenceOptions {
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'every'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Since when some news may be missing that is not made up for; undefined where none is. */
  readonly behindSince: () => number | undefined;
}

/** Notes in the store that there is somebody to receive, so that the next process knows for how long there was nobody. */
export class Absence {
  readonly #options: AbsenceOptions;
  #hasBegun = false;

  constructor(options: AbsenceOptions) {
    this.#options = options;
  }

  /** Since when there was nobody, or news was missing, in epoch milliseconds; undefined where there never was anybody. */
  async load(): Promise<number | undefined> {
    const { store, logger } = this.#options;
    try {
      const raw = await store.get('alive', ID);
      return raw === undefined
        ? undefined
        : Math.min(this.#options.now(), timeOf(decodeRecord(VERSION, raw, {}, `alive ${ID}`)));
    } catch (error) {
      logger.error(
        { err: error },
        'since when nobody was there to receive is not known: what was missed then is missing',
      );
      return undefined;
    }
  }

  /** There is somebody from now on. */
  async begin(): Promise<void> {
    this.#hasBegun = true;
    this.#options.engine.every(EVERY_MINUTE, () => void this.note());
    await this.note();
  }

  /** Notes that there still is. Never rejects. */
  async note(): Promise<void> {
    if (!this.#hasBegun) return;
    const { store, logger, now, behindSince } = this.#options;
    const at = now();
    try {
      await store.set('alive', ID, encodeRecord(VERSION, { since: Math.min(at, behindSince() ?? at) }));
    } catch (error) {
      logger.warn({ err: error }, 'that there is somebody to receive could not be noted: tried again in a minute');
    }
  }
}

function timeOf(data: unknown): number {
  const { since }: { readonly since?: unknown } = Object(data);
  if (typeof since === 'number' && Number.isFinite(since)) return since;
  throw new Error('The record does not say since when.');
}
