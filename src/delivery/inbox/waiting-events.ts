import { bytesOf, type StoredEvent } from './stored-event.js';

/** The waiting events of a service. */
export interface InboxLoad {
  readonly events: number;
  readonly bytes: number;
}

const EMPTY_LOAD: InboxLoad = { events: 0, bytes: 0 };

/** Like {@link InboxLoad}, updated in place. */
interface Load {
  events: number;
  bytes: number;
}

/** A waiting event and its size. */
export interface WaitingEvent {
  readonly id: string;
  readonly bytes: number;
}

/** The data of a waiting event that stays in memory. */
interface TrackedEvent {
  readonly service: string;
  readonly subscriptionId: string;
  readonly load: Load;
  readonly bytes: number;
}

/** Tracks the waiting events of the inbox, without dead letters, and their load for each service. */
export class WaitingEvents {
  readonly #events = new Map<string, TrackedEvent>();
  readonly #loads = new Map<string, Load>();

  serviceNameOf(id: string): string | undefined {
    return this.#events.get(id)?.service;
  }

  /** The waiting events of a subscription, latest first. Scans all waiting events. */
  of(subscriptionId: string): readonly WaitingEvent[] {
    const events: WaitingEvent[] = [];
    for (const [id, event] of this.#events) {
      if (event.subscriptionId === subscriptionId) events.push({ id, bytes: event.bytes });
    }
    return events.toReversed();
  }

  loadOf(service: string): InboxLoad {
    return this.#loads.get(service) ?? EMPTY_LOAD;
  }

  /** Counts an event once, however often it is stored. Returns whether it is new. */
  add(event: StoredEvent): boolean {
    const { id, service, subscriptionId } = event.meta;
    if (this.#events.has(id)) return false;
    const load = this.#loads.get(service) ?? { events: 0, bytes: 0 };
    if (load.events === 0) this.#loads.set(service, load);
    const bytes = bytesOf(event);
    this.#events.set(id, { service, subscriptionId, load, bytes });
    load.events += 1;
    load.bytes += bytes;
    return true;
  }

  /** Stops counting an event. Returns whether it was counted. */
  delete(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return false;
    this.#events.delete(id);
    event.load.events -= 1;
    event.load.bytes -= event.bytes;
    return true;
  }
}
