import type { StoredEvent } from './stored-event.js';

/** Bytes of content that are kept at most. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Events that have just been stored and wait for their turn: so many of them as fit need not be read for it. */
export class EventCache {
  readonly #maxBytes: number;
  readonly #events = new Map<string, StoredEvent>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Keeps an event as it was stored, if there is room for it. */
  add(event: StoredEvent): void {
    const { id } = event.meta;
    const bytes = this.#bytes + sizeOf(event);
    if (bytes > this.#maxBytes || this.#events.has(id)) return;
    this.#events.set(id, event);
    this.#bytes = bytes;
  }

  /** Hands out an event and keeps it no longer. */
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
