/** A subscribe or unsubscribe request that the hub can serve (WebSub section 5.1). */
export interface SubscriptionRequest {
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  readonly callback: string;
  /** Seconds requested. */
  readonly leaseSeconds: number | undefined;
  readonly secret: string | undefined;
  /** PubSubHubbub 0.3: the first known value of `hub.verify`. */
  readonly verify: 'async' | 'sync' | undefined;
  /** PubSubHubbub 0.3: echoed in the verification. */
  readonly verifyToken: string | undefined;
}
