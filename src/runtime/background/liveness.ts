import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;
const ID = 'runtime';
const HEARTBEAT_CRON = '30 * * * * *';

/** Whoever has not been noted for so long was not there: the machine slept, or the process stood still. In milliseconds. */
const MAX_SILENCE_MS = 180_000;

/** What knowing of an absence works with. */
export interface LivenessOptions {
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'every'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The services that receive. */
  readonly services: () => readonly string[];
  /** Told when nobody was there although the process was, since when in epoch milliseconds. */
  readonly onDowntime: (since: number) => void;
  /** Since when some news may be missing that is not made up for; undefined where none is. */
  readonly missedSince: () => number | undefined;
}

/**
 * Notes in the store which services receive, so that the next process knows for how long each did not: one that a process
 * leaves out is away as well.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  /** Until when each service received and missed nothing, in epoch milliseconds. */
  #aliveUntil = new Map<string, number>();
  #lastHeartbeatAt: number | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Reads what a previous process noted. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      const raw = await store.get('alive', ID);
      if (raw !== undefined) this.#aliveUntil = new Map(decodeHeartbeat(decodeRecord(VERSION, raw, {}, `alive ${ID}`)));
    } catch (error) {
      logger.error(
        { err: error },
        'since when nobody was there to receive is not known: what was missed then is missing',
      );
    }
  }

  /** Since when a service was away, or news of it was missing, in epoch milliseconds; undefined where it never received. */
  aliveUntil(service: string): number | undefined {
    const until = this.#aliveUntil.get(service);
    // A clock that was set back has not been there yet.
    return until === undefined ? undefined : Math.min(this.#options.now(), until);
  }

  /** The services receive from now on. */
  async start(): Promise<void> {
    this.#options.engine.every(HEARTBEAT_CRON, () => {
      const { now, onDowntime } = this.#options;
      if (this.#lastHeartbeatAt !== undefined && now() - this.#lastHeartbeatAt > MAX_SILENCE_MS)
        onDowntime(this.#lastHeartbeatAt);
      void this.writeHeartbeat();
    });
    this.#lastHeartbeatAt = this.#options.now();
    await this.writeHeartbeat();
  }

  /** Notes that they still do. Never rejects. */
  async writeHeartbeat(): Promise<void> {
    if (this.#lastHeartbeatAt === undefined) return;
    const { store, logger, now, missedSince, services } = this.#options;
    const at = now();
    this.#lastHeartbeatAt = at;
    const until = Math.min(at, missedSince() ?? at);
    for (const service of services()) this.#aliveUntil.set(service, until);
    try {
      await store.set('alive', ID, encodeRecord(VERSION, { services: [...this.#aliveUntil] }));
    } catch (error) {
      logger.warn({ err: error }, 'that there is somebody to receive could not be noted: tried again in a minute');
    }
  }
}

function decodeHeartbeat(data: unknown): readonly (readonly [service: string, until: number])[] {
  const { services }: { readonly services?: unknown } = Object(data);
  if (Array.isArray(services) && services.every(isServiceHeartbeat)) return services;
  throw new Error('The record does not say who received, and until when.');
}

function isServiceHeartbeat(note: unknown): note is [service: string, until: number] {
  return Array.isArray(note) && typeof note[0] === 'string' && Number.isFinite(note[1]);
}
