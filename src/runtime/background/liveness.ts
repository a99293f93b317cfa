import type { DeliveryContext } from '../../delivery/delivery-context.js';
import { log } from '../../log-events.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { Registry } from '../../subscription/registry/registry.js';

const VERSION = 1;
const ID = 'runtime';
const HEARTBEAT_CRON = '30 * * * * *';

/** A longer gap between heartbeats, in milliseconds, is a downtime: the machine slept, or the process was suspended. */
const MAX_SILENCE_MS = 180_000;

/**
 * The liveness heartbeat. Stores every minute which services run. The next process derives each service's downtime from
 * the heartbeat. A service that a process does not run counts as down.
 */
export class Liveness {
  readonly #context: DeliveryContext;
  readonly #registry: Pick<Registry, 'flush'>;
  /** The time until which each service missed no event, in epoch milliseconds. */
  #aliveUntil = new Map<string, number>();
  #lastHeartbeatAt: number | undefined;
  #isHeld = false;
  #onDowntime = (_since: number): void => {};

  constructor(context: DeliveryContext, registry: Pick<Registry, 'flush'>) {
    this.#context = context;
    this.#registry = registry;
  }

  /**
   * Sets what is called when heartbeats paused although this process was running, as after a sleep.
   *
   * @param listener gets the start of the pause, in epoch milliseconds
   */
  onDowntime(listener: (since: number) => void): void {
    this.#onDowntime = listener;
  }

  /** Keeps the stored heartbeat where it is, because not all missed events are planned to be fetched. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Lets the heartbeat go on. */
  release(): void {
    this.#isHeld = false;
  }

  /** Loads the heartbeat of the previous process. */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
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
    return until === undefined ? undefined : Math.min(this.#context.now(), until);
  }

  /**
   * Starts the heartbeat. Stores the first one for new services only: the gaps of the others are not stored yet, and a
   * start writes as little as possible.
   */
  async start(): Promise<void> {
    this.#context.engine.every('liveness', HEARTBEAT_CRON, () => {
      const { now } = this.#context;
      if (this.#lastHeartbeatAt !== undefined && now() - this.#lastHeartbeatAt > MAX_SILENCE_MS)
        this.#onDowntime(this.#lastHeartbeatAt);
      // Not awaited: a write that hangs must not stop the next heartbeat.
      void this.writeHeartbeat();
    });
    const { now, services } = this.#context;
    const at = now();
    this.#lastHeartbeatAt = at;
    const newServices = services.names.filter((service) => !this.#aliveUntil.has(service));
    if (newServices.length > 0) await this.#store(newServices, at);
  }

  /** Stores the gaps, then a heartbeat. Does nothing before `start()` and while it is held. Never rejects. */
  async writeHeartbeat(): Promise<void> {
    if (this.#lastHeartbeatAt === undefined) return;
    const { logger, now, services } = this.#context;
    const at = now();
    this.#lastHeartbeatAt = at;
    if (this.#isHeld) return;
    try {
      // The gaps found so far must be stored before: a heartbeat says that no other event was missed.
      await this.#registry.flush();
    } catch (error) {
      log(logger, 'liveness.not-stored', { err: error });
      return;
    }
    await this.#store(services.names, at);
  }

  async #store(services: readonly string[], until: number): Promise<void> {
    const { store, logger } = this.#context;
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
