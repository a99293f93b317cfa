import type { InboxLoad } from './inbox-options.js';
import { bytesOf, type StoredEvent } from './stored-event.js';

const NOTHING: InboxLoad = { events: 0, bytes: 0 };

/** Which events wait in the inbox, dead letters apart, and what they come to for each service. */
export class WaitingEvents {
  readonly #events = new Map<string, { readonly service: string; readonly bytes: number }>();
  readonly #loads = new Map<string, { events: number; bytes: number }>();

  has(id: string): boolean {
    return this.#events.has(id);
  }

  serviceOf(id: string): string | undefined {
    return this.#events.get(id)?.service;
  }

  loadOf(service: string): InboxLoad {
    return this.#loads.get(service) ?? NOTHING;
  }

  /** Counts an event, once however often it is stored. */
  add(event: StoredEvent): void {
    const { id, service } = event;
    if (this.#events.has(id)) return;
    const bytes = bytesOf(event);
    this.#events.set(id, { service, bytes });
    this.#grow(service, 1, bytes);
  }

  /** Counts an event no longer. Whether it was counted. */
  delete(id: string): boolean {
    const event = this.#events.get(id);
    if (event === undefined) return false;
    this.#events.delete(id);
    this.#grow(event.service, -1, -event.bytes);
    return true;
  }

  #grow(service: string, moreEvents: number, moreBytes: number): void {
    const load = this.#loads.get(service) ?? { events: 0, bytes: 0 };
    load.events += moreEvents;
    load.bytes += moreBytes;
    this.#loads.set(service, load);
  }
}
