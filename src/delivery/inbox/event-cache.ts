import type { StoredEvent } from './stored-event.js';

/** The most bytes of content in the cache. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Caches events that have just been stored, so that their first run needs no read. */
export class EventCache {
  readonly #maxBytes: number;
  readonly #events = new Map<string, StoredEvent>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Caches an event if there is room for it. */
  add(event: StoredEvent): void {
    const { id } = event.meta;
    const bytes = this.#bytes + sizeOf(event);
    if (bytes > this.#maxBytes || this.#events.has(id)) return;
    this.#events.set(id, event);
    this.#bytes = bytes;
  }

  /** Removes and returns an event. */
  take(id: string): StoredEvent | undefined {
    const event = this.#events.get(id);
    if (event === undefined) return undefined;
    this.#events.delete(id);
    this.#bytes -= sizeOf(event);
    return event;
  }
}

function sizeOf({ content: { raw, decoded } }: StoredEvent): number {
  return raw.byteLength + (decoded?.byteLength ?? 0);
}
