import type { Delivery } from '../delivery/delivery.js';
import type { DenyOptions, RequestFailure, RequestRedirect } from '../faults/request-faults.js';
import type { PublishOptions, TopicOptions } from './topic-options.js';

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
  publish(body: string | Uint8Array, options?: PublishOptions): Promise<Delivery[]>;
  /** Changes any option; one given as `undefined` is back at its default. */
  configure(options: TopicOptions): void;
  /**
   * Denies this topic's subscriptions and those asked for from now on. A denial ends a subscription; with `keep` an active one
   * stays active.
   */
  deny(reason?: string, options?: DenyOptions): Promise<Delivery[]>;
  /** Answers requests for this topic with a status instead of serving them; `'reset'` cuts the connection. */
  fail(status: RequestFailure['status'], options?: Omit<RequestFailure, 'status'>): void;
  /** Redirects requests for this topic. */
  redirect(status: RequestRedirect['status'], to: string, options?: Omit<RequestRedirect, 'status' | 'to'>): void;
  /** Sends `hub.mode=hub-error` to this topic's subscribers. */
  error(reason?: string): Promise<Delivery[]>;
}
