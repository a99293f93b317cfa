import type { Delivery } from './delivery.js';
import type { RequestFailure } from './hub-faults.js';
import type { TopicOptions } from './topic-options.js';

/** A resource that its publisher keeps subscribers informed of. */
export interface HubTopic {
  /** Where it is served. */
  readonly url: string;
  /** The topic URL that subscribers are to ask for: `url`, unless the option `self` says otherwise. */
  readonly self: string;
  /**
   * Publishes: a GET shows the new body from now on, and it is sent, byte for byte, to every subscriber that is verified and
   * within its lease. Resolves with what became of each.
   */
  publish(body: string | Uint8Array, options?: { readonly contentType?: string }): Promise<Delivery[]>;
  /** Changes any option; one given as `undefined` is back at its default. */
  configure(options: TopicOptions): void;
  /** Ends this topic's subscriptions with a denial, and denies those asked for from now on. */
  deny(reason?: string): Promise<Delivery[]>;
  /** Answers requests for this topic with a status instead of serving them. */
  fail(status: number, options?: Omit<RequestFailure, 'status'>): void;
  /** Redirects requests for this topic. */
  redirect(status: 307 | 308, to: string): void;
  /** Sends `hub.mode=hub-error` to this topic's subscribers. */
  error(reason?: string): Promise<Delivery[]>;
}
