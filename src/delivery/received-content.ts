import type { Grant, Subscription } from '../subscription/snapshot.js';
import type { EntriesContext } from './event-entries.js';

/**
 * Where news came from: a hub; the topic itself, fetched after a gap (`delivery.catchUp`); or the topic, polled
 * (`delivery.pollSeconds`), where the hub had not sent it.
 */
export type EventSource = 'hub' | 'catch-up' | 'poll';

/** What was received and found genuine. */
export interface GenuineContent {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  /** The URL it was read from, where it was fetched: relative links are relative to that, not to the topic. */
  readonly url?: string | undefined;
  /** The bytes without their `Content-Encoding`, where they had one that could be undone. */
  readonly decoded?: Uint8Array | undefined;
  /** Whether there is a `Content-Encoding` that could not be undone. */
  readonly undecodable?: boolean | undefined;
}

/** How content was received. Beside it an event is made from nothing: everything else is worked out when it is asked for. */
export interface ReceptionContext extends Pick<EntriesContext, 'subscriptionId' | 'only' | 'changeOf'> {
  /** Where it was stored before: the id it has. */
  readonly id?: string | undefined;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly attempt: number;
  /** Whether the runtime waits for handlers no longer. */
  readonly isAborted: boolean;
  readonly source: EventSource;
  readonly subscription: () => Subscription;
  readonly grant: () => Grant;
}

/** The hub and topic links a content distribution carries (WebSub section 7). */
export interface ContentLinks {
  readonly hub: readonly string[];
  readonly self?: string;
}
