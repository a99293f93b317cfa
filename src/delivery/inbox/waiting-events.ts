import { bytesOf, type StoredEvent } from './stored-event.js';

/** The events that wait in the inbox for a service. */
export interface InboxLoad {
  readonly events: number;
  readonly bytes: number;
}

const EMPTY_LOAD: InboxLoad = { events: 0, bytes: 0 };

/** Number and size of one service's waiting events. */
interface Load {
  events: number;
  bytes: number;
}

/** An event that waits, and its size. */
export interface WaitingEvent {
  readonly id: string;
  readonly bytes: number;
}

/** The facts of a waiting event that are kept in memory. */
interface EventFacts {
  readonly service: string;
  readonly subscriptionId: string;
  readonly load: Load;
  readonly bytes: number;
}

/** Which events wait in the inbox, dead letters apart, and what they come to for each service. */
export class WaitingEvents {
  readonly #events = new Map<string, EventFacts>();
  readonly #loads = new Map<string, Load>();

  serviceOf(id: string): string | undefined {
    return this.#events.get(id)?.service;
  }

  /** Those of a subscription, the latest first. Looks at all. */
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

  /** Counts an event, once however often it is stored. Whether it was not counted before. */
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

  /** Counts an event no longer. Whether it was counted. */
  delete(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return false;
    this.#events.delete(id);
    event.load.events -= 1;
    event.load.bytes -= event.bytes;
    return true;
  }
}
