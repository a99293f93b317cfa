/** How long events are kept that were given up. */
export interface DeadLetterConfig {
  /** Seconds after which a dead letter is removed. @default 2_592_000 */
  readonly keepSeconds?: number | undefined;
  /** Dead letters kept, per service; past that the oldest is removed. @default 10_000 */
  readonly keepCount?: number | undefined;
}

/** How news is handed to the handler. */
export interface DeliveryConfig {
  /**
   * `'inline'`: the handler is run while the hub waits for its answer. `'queued'`: the hub is answered when the event is in
   * the store, and the handler is run then. @default 'inline'
   */
  readonly mode?: 'inline' | 'queued' | undefined;
  /** With `'inline'`, milliseconds after which the hub is answered whatever the handler does; the event is stored first. @default 5_000 */
  readonly ackAfterMs?: number | undefined;
  /** Seconds for which a failed event is tried again, with exponential backoff from 1 s to 1 h. @default 259_200 */
  readonly retryForSeconds?: number | undefined;
  /** Stored events handed to the service's handler at the same time. @default 16 */
  readonly concurrency?: number | undefined;
  /**
   * `'subscription'`: the events of a subscription are handed over one after another, in the order in which they were
   * received, the next one when the one before has succeeded or is a dead letter: one that fails holds back those after it,
   * whose `retryForSeconds` go on meanwhile. Other subscriptions go on. Needs `mode: 'queued'`. @default 'none'
   */
  readonly order?: 'none' | 'subscription' | undefined;
  /** Events waiting for their handler, per service; past that the hub is answered 503 with `Retry-After`. @default 10_000 */
  readonly maxPending?: number | undefined;
  /** Bytes of events (content and headers) waiting for their handler, per service. Above it hubs get 503. @default 268_435_456 */
  readonly maxPendingBytes?: number | undefined;
  /**
   * What is not handed over again when it comes once more: a body that was, or a feed without an entry that was not.
   * @default 'entries' with `hubs: 'all'`, else false
   */
  readonly dedupe?: false | 'body' | 'entries' | undefined;
  /** Seconds for which `dedupe: 'body'` remembers what was handed over; entries are remembered for longer. @default 86_400 */
  readonly dedupeWindowSeconds?: number | undefined;
  /**
   * Whether a notification without content, which says only that there is news, is handed over with the topic's content,
   * fetched before each run of the handler. A topic that is no URL is not fetched: its notification stays empty.
   * @default false
   */
  readonly fetchThinPings?: boolean | undefined;
  /**
   * Whether the topic is fetched after a gap (a lease that ran out, a process that was down, a hub that failed), and what is
   * new in it handed over, where it is a feed. @default true
   */
  readonly catchUp?: boolean | undefined;
  /**
   * Seconds after which the topic is fetched each time, as a safety net: an entry that its hub does not deliver within
   * five minutes, or within that time where it is shorter, is handed over. 0: never. A topic that is no URL cannot be polled:
   * naming one is a ConfigurationError. @default 0
   */
  readonly pollSeconds?: number | undefined;
  /** Events that were given up: `runtime.deadLetters`. */
  readonly deadLetters?: DeadLetterConfig | undefined;
}

/** How news is handed to the handler, defaults filled in. */
export interface CheckedDeliveryConfig extends Required<DeliveryConfig> {
  readonly deadLetters: Required<DeadLetterConfig>;
}
