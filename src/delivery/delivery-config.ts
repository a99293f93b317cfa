/** How long and how many dead letters are kept. */
export interface DeadLetterConfig {
  /** Seconds after which a dead letter is removed. @default 2_592_000 */
  readonly keepSeconds?: number | undefined;
  /** Dead letters kept per service. Above this number the oldest is removed. @default 10_000 */
  readonly keepCount?: number | undefined;
}

/**
 * How events are delivered to the handler.
 *
 * @example
 * ```ts
 * const delivery: DeliveryConfig = { mode: 'queued', order: 'subscription', retryForSeconds: 86_400 };
 * ```
 */
export interface DeliveryConfig {
  /**
   * `'inline'`: runs the handler while the hub waits for its answer. `'queued'`: stores the event, answers the hub,
   * then runs the handler.
   *
   * @default 'inline'
   */
  readonly mode?: 'inline' | 'queued' | undefined;
  /**
   * Milliseconds the hub waits for the handler (`'inline'`). After this time the event is stored and the hub gets 202.
   * The handler keeps running.
   *
   * @default 5_000
   */
  readonly ackAfterMs?: number | undefined;
  /** Seconds a failed event is retried, with exponential backoff from 1 s to 1 h. @default 259_200 */
  readonly retryForSeconds?: number | undefined;
  /** Stored events dispatched to the service's handler at the same time. @default 16 */
  readonly concurrency?: number | undefined;
  /**
   * `'subscription'`: dispatches the events of a subscription one at a time, in the order of reception. The next event
   * waits until the previous one succeeds or becomes a dead letter. This wait counts toward its own `retryForSeconds`.
   * Other subscriptions are not affected. Requires `mode: 'queued'`.
   *
   * @default 'none'
   */
  readonly order?: 'none' | 'subscription' | undefined;
  /** Maximum waiting events per service. At this number, hubs get 503 with `Retry-After`. @default 10_000 */
  readonly maxPending?: number | undefined;
  /** Maximum bytes of waiting events per service, with headers. At this size, hubs get 503. @default 268_435_456 */
  readonly maxPendingBytes?: number | undefined;
  /**
   * Drops duplicates. `'body'`: same bytes seen before. `'entries'`: feeds with no new or updated entry. Content
   * without entries is then compared as with `'body'`.
   *
   * @default `'entries'` with `hubs: 'all'`, otherwise `false`
   */
  readonly dedupe?: false | 'body' | 'entries' | undefined;
  /** Seconds that a processed body is remembered. Entries are remembered longer. @default 86_400 */
  readonly dedupeWindowSeconds?: number | undefined;
  /**
   * Fetches the topic before each run of the handler if the hub's notification has no content. A topic that is not a
   * URL cannot be fetched, so its notification stays empty.
   *
   * @default false
   */
  readonly fetchThinPings?: boolean | undefined;
  /**
   * Fetches the topic after a gap: an expired lease, a process that was down, or a hub that failed. The new entries of
   * a feed are delivered.
   *
   * @default true
   */
  readonly catchUp?: boolean | undefined;
  /**
   * Seconds between fetches of the topic, as a safety net. An entry is delivered if its hub has not delivered it within
   * five minutes, or within this interval if that is shorter. 0: never. A topic that is not a URL cannot be polled and
   * causes a ConfigurationError.
   *
   * @default 0
   */
  readonly pollSeconds?: number | undefined;
  /** How long and how many dead letters are kept. See `runtime.deadLetters`. */
  readonly deadLetters?: DeadLetterConfig | undefined;
}

/** A `DeliveryConfig` with its defaults filled in. */
export interface CheckedDeliveryConfig extends Required<DeliveryConfig> {
  readonly deadLetters: Required<DeadLetterConfig>;
}
