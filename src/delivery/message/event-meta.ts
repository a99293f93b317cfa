import type { DedupeKey } from '../dedupe/dedupe-key.js';
import type { EventSource } from './received-content.js';

/** The metadata of an event. Times are epoch milliseconds. */
export interface EventMeta {
  /** Unique, and the same on every retry. */
  readonly id: string;
  /** The service's name. */
  readonly service: string;
  readonly subscriptionId: string;
  readonly grantId: string;
  readonly receivedAt: number;
  /** The event's place in the order of reception, independent of the clock. The inbox assigns it. */
  readonly position?: number | undefined;
  /** How the content was fetched from the topic; absent for content that a hub sent. */
  readonly source?: Exclude<EventSource, 'hub'> | undefined;
  /** Keys of the entries to deliver, because the other entries are not new. Absent: all entries. */
  readonly newEntryKeys?: readonly string[] | undefined;
  /** The event's dedupe keys, stored to avoid another parse. Absent if they are not tracked, or too many. */
  readonly dedupeKeys?: readonly DedupeKey[] | undefined;
  /** Whether the event is a thin ping: the topic is fetched before each run of its handler. */
  readonly isPing?: boolean | undefined;
}

/**
 * The metadata of an event that has just been received. The id is generated on first use, because few handlers read it.
 * The other mutable fields are set when the event is stored.
 */
export interface NewEventMeta extends Omit<EventMeta, keyof StoringMeta> {
  id: string | undefined;
  position?: number | undefined;
  dedupeKeys?: readonly DedupeKey[] | undefined;
  isPing?: boolean | undefined;
}

/** The metadata that is set when an event is stored. */
export type StoringMeta = Pick<EventMeta, 'id' | 'position' | 'dedupeKeys' | 'isPing'>;

/** The metadata of content that was fetched from its topic. */
export type FetchedMeta = Pick<EventMeta, 'source' | 'newEntryKeys' | 'dedupeKeys'>;
