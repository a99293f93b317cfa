import type { Engine } from '../../engine/engine.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;
const ID = 'runtime';
const HEARTBEAT_CRON = '30 * * * * *';

/** A longer gap between heartbeats, in milliseconds, is a downtime: the machine slept, or the process was suspended. */
const MAX_SILENCE_MS = 180_000;

/** Dependencies of the liveness heartbeat. */
export interface LivenessOptions {
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'every'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The names of the running services. */
  readonly services: () => readonly string[];
  /** Called when heartbeats paused although this process was running, as after sleep. `since`: epoch milliseconds. */
  readonly onDowntime: (since: number) => void;
  /** Stores the gaps found so far with their subscriptions. A heartbeat says that none is missing there. */
  readonly saveGaps: () => Promise<void>;
}

/**
 * The liveness heartbeat. Stores every minute which services run. The next process derives each service's downtime from
 * the heartbeat. A service that a process does not run counts as down.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  /** The time until which each service missed no event, in epoch milliseconds. */
  #aliveUntil = new Map<string, number>();
  #lastHeartbeatAt: number | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Loads the heartbeat of the previous process. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      const raw = await store.get('alive', ID);
      if (raw !== undefined) this.#aliveUntil = new Map(decodeHeartbeat(decodeRecord(VERSION, raw, {}, `alive ${ID}`)));
    } catch (error) {
      log(logger, 'liveness.unreadable', { err: error });
    }
  }

  /** The time until which a service missed no event, in epoch milliseconds; undefined if the service never ran. */
  aliveUntil(service: string): number | undefined {
    const until = this.#aliveUntil.get(service);
    // After the clock was set back, the stored time may be in the future.
    return until === undefined ? undefined : Math.min(this.#options.now(), until);
  }

  /** Starts the heartbeat. The first one is stored at once for new services, and soon for the others. */
  async start(): Promise<void> {
    this.#options.engine.every('liveness', HEARTBEAT_CRON, () => {
      const { now, onDowntime } = this.#options;
      if (this.#lastHeartbeatAt !== undefined && now() - this.#lastHeartbeatAt > MAX_SILENCE_MS)
        onDowntime(this.#lastHeartbeatAt);
      // Not awaited: a write that hangs must not stop the next heartbeat.
      void this.writeHeartbeat();
    });
    const { now, services } = this.#options;
    const at = now();
    this.#lastHeartbeatAt = at;
    const newServices = services().filter((service) => !this.#aliveUntil.has(service));
    if (newServices.length > 0) await this.#store(newServices, at);
    // Not awaited: after a downtime, every subscription may have a gap to store.
    if (newServices.length < services().length) void this.writeHeartbeat();
  }

  /** Stores the gaps, then a heartbeat. Does nothing before `start()`. Never rejects. */
  async writeHeartbeat(): Promise<void> {
    if (this.#lastHeartbeatAt === undefined) return;
    const { logger, now, saveGaps, services } = this.#options;
    const at = now();
    this.#lastHeartbeatAt = at;
    try {
      await saveGaps();
    } catch (error) {
      log(logger, 'liveness.not-stored', { err: error });
      return;
    }
    await this.#store(services(), at);
  }

  async #store(services: readonly string[], until: number): Promise<void> {
    const { store, logger } = this.#options;
    for (const service of services) this.#aliveUntil.set(service, until);
    try {
      await store.set('alive', ID, encodeRecord(VERSION, { services: [...this.#aliveUntil] }));
    } catch (error) {
      log(logger, 'liveness.not-stored', { err: error });
    }
  }
}

function decodeHeartbeat(data: unknown): readonly (readonly [service: string, until: number])[] {
  const { services }: { readonly services?: unknown } = Object(data);
  if (Array.isArray(services) && services.every(isServiceHeartbeat)) return services;
  throw new Error('The heartbeat record is corrupt: it must hold services and times.');
}

function isServiceHeartbeat(value: unknown): value is [service: string, until: number] {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isFinite(value[1]);
}
