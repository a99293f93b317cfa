import type { DedupeKey } from '../dedupe/dedupe-key.js';
import type { EventSource } from './received-content.js';

/** The facts of an event besides its content. Times are epoch milliseconds. */
export interface EventMeta {
  /** Unique, and the same on every retry. */
  readonly id: string;
  /** The service's name. */
  readonly service: string;
  readonly subscriptionId: string;
  readonly grantId: string;
  readonly receivedAt: number;
  /** The event's place in the order of reception, which no clock changes. The inbox assigns it. */
  readonly position?: number | undefined;
  /** How the content was fetched from the topic; absent for content that a hub sent. */
  readonly source?: Exclude<EventSource, 'hub'> | undefined;
  /** Keys of the entries to deliver; the other entries of the content are not new. Absent: all entries. */
  readonly newEntryKeys?: readonly string[] | undefined;
  /** The keys the event was compared by, so that it is not parsed again. Absent when there are too many to store. */
  readonly dedupeKeys?: readonly DedupeKey[] | undefined;
  /** Whether the event only says that there is new content: the topic is fetched for its handler. */
  readonly isPing?: boolean | undefined;
}

/**
 * The facts of an event that has just been received. The id is drawn when it is first read, as few handlers read it. The other
 * fields that can change are set when the event is stored.
 */
export interface NewEventMeta extends Omit<EventMeta, keyof StoringMeta> {
  id: string | undefined;
  position?: number | undefined;
  dedupeKeys?: readonly DedupeKey[] | undefined;
  isPing?: boolean | undefined;
}

/** The facts that are known once an event is stored. */
export type StoringMeta = Pick<EventMeta, 'id' | 'position' | 'dedupeKeys' | 'isPing'>;

/** The facts of an event whose content was fetched from its topic. */
export type FetchedMeta = Pick<EventMeta, 'source' | 'newEntryKeys' | 'dedupeKeys'>;
