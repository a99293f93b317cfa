import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServiceHandlers } from '../delivery/handler/handlers.js';
import type { DeadLetter } from '../delivery/inbox/dead-letters.js';
import type { HookListener, HookName } from '../delivery/hook-payloads.js';
import type {
  Subscription,
  SubscriptionMetadata,
  SubscriptionState,
  SubscriptionTarget,
} from '../subscription/record/snapshot.js';

/**
 * Selects subscriptions. A subscription matches if it matches every field that is set. `undefined` counts as not set.
 *
 * @example
 * ```ts
 * await runtime.subscriptions.find({ service: 'FeedReader', state: ['failed', 'denied'] });
 * ```
 */
export interface SubscriptionFilter {
  /** The service's name. */
  readonly service?: string | undefined;
  /** The target, as `subscribe()` takes it. URLs are normalized: `https://EXAMPLE.com` finds `https://example.com/`. */
  readonly target?: SubscriptionTarget | readonly [hub: string, topic: string] | undefined;
  /** One state, or a list of accepted states. */
  readonly state?: SubscriptionState | readonly SubscriptionState[] | undefined;
  /** The topic of at least one grant, exactly as the hub knows it. */
  readonly topic?: string | undefined;
  /** The hub of at least one grant, exactly as the snapshot shows it. */
  readonly hub?: string | undefined;
  /** Whether the code declares the subscription. */
  readonly declared?: boolean | undefined;
  /** Names with the exact values they must have. Other names are ignored. */
  readonly metadata?: SubscriptionMetadata | undefined;
}

/**
 * All subscriptions of a runtime, as read-only snapshots.
 *
 * @example
 * ```ts
 * for await (const { target, state } of runtime.subscriptions) console.log(target, state);
 * ```
 */
export interface Subscriptions extends AsyncIterable<Subscription> {
  /** Returns one subscription, or `undefined` if the id is unknown. */
  get(id: string): Promise<Subscription | undefined>;
  /**
   * Returns the subscriptions that match; without a filter, all of them.
   *
   * @throws ConfigurationError if the filter has an unknown field or an invalid value
   */
  find(filter?: SubscriptionFilter): Promise<readonly Subscription[]>;
  /**
   * Counts the subscriptions that match; without a filter, all of them.
   *
   * @throws ConfigurationError if the filter has an unknown field or an invalid value
   */
  count(filter?: SubscriptionFilter): Promise<number>;
}

/**
 * The dead letters: events that are no longer retried. Iterates service by service, oldest first, and reads them from
 * the store one by one.
 *
 * @example
 * ```ts
 * for await (const { id, cause } of runtime.deadLetters) {
 *   if (cause === 'failed') await runtime.deadLetters.replay(id);
 * }
 * ```
 */
export interface DeadLetterList extends AsyncIterable<DeadLetter> {
  /**
   * Requeues the event: the handler runs again, with retries for another `delivery.retryForSeconds`. With
   * `delivery.order: 'subscription'`, the event goes to the end of its subscription's queue.
   *
   * @throws WebSubError if there is no dead letter with this id, or its service is not running
   */
  replay(id: string): Promise<void>;
  /**
   * Deletes the dead letter.
   *
   * @throws WebSubError if there is no dead letter with this id
   */
  discard(id: string): Promise<void>;
}

/**
 * Options of `subscribe()`: the target, and fields that override the service's configuration.
 *
 * A later call with the same service and target replaces the fields it sets and keeps the others. If that changes the
 * request to the hub, an active subscription is renewed at once.
 */
export interface SubscribeOptions {
  /** The URL to discover a hub from, or a known hub and topic. */
  readonly target: SubscriptionTarget | readonly [hub: string, topic: string];
  /** The lease to request, in seconds. @default the service's `leaseSeconds` */
  readonly leaseSeconds?: number;
  /** The secret: a string of 1 to 199 bytes, `'auto'` or `false`. @default the service's `secret` */
  readonly secret?: string | false;
  /**
   * Form fields for the requests of this subscription, merged over the service's `customParams`. `{}` removes the
   * fields of an earlier call. They are stored with the subscription and never shown. @default none
   */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  /**
   * Your own data: strings by name, at most 4,096 bytes of UTF-8. It is stored and shown in snapshots, for example in
   * `event.subscription.metadata`. A later call with `metadata` replaces all data; a call without keeps it.
   * @default none
   */
  readonly metadata?: SubscriptionMetadata | undefined;
}

/** Options of `stop()`. */
export interface StopOptions {
  /** Whether to unsubscribe at the hubs. @default each service's `unsubscribeOnShutdown` */
  readonly unsubscribe?: boolean;
}

// These types share a file because they refer to each other: the runtime takes services, and handlers take the runtime.

/** The handlers of a service. Only `onEventNotification` is required. */
export interface SubscriberHandlers extends ServiceHandlers<SubscriberRuntime> {}

/** A class with handlers. It cannot be abstract, because the runtime constructs it. */
export type SubscriberClass = new (...args: never[]) => SubscriberHandlers;

/** A service made by `defineSubscriber`. `startService` and `subscribe()` accept it like a decorated class. */
export interface SubscriberDefinition {
  readonly kind: 'subscriber';
  /** The service's name in the store. */
  readonly name: string;
}

/** A service: a decorated class, or the result of `defineSubscriber`. */
export type ServiceReference = SubscriberClass | SubscriberDefinition;

/**
 * A running subscriber, returned by `startService`. The class is also the injection token of the runtime.
 *
 * @example
 * ```ts
 * @SubscriberService()
 * class FeedReader {
 *   constructor(private readonly runtime: SubscriberRuntime) {}
 *   async onEventNotification(event: ContentDistributionMessage) {}
 * }
 * ```
 */
export abstract class SubscriberRuntime implements AsyncDisposable {
  /** The public URL, without a trailing slash. By default, a callback is `url` + `basePath` + `/` + a token. */
  abstract readonly url: string;
  /** The port of the callbacks; `undefined` with `manual`, or if the given server did not listen at the start. */
  abstract readonly port: number | undefined;
  /** Answers a fetch `Request` on a callback. Any other request gets 404. */
  abstract readonly fetch: (request: Request) => Promise<Response>;
  /** Answers a `node:http` request on a callback. Any other request goes to `next`, or gets 404 without `next`. */
  abstract readonly nodeHandler: (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => void;
  /** All subscriptions, as snapshots. */
  abstract readonly subscriptions: Subscriptions;
  /** Events that are no longer retried. */
  abstract readonly deadLetters: DeadLetterList;
  /**
   * Listeners for events of the runtime. `on(name, listener)` returns a function that removes the listener. The name
   * decides the type of the payload.
   *
   * @example
   * ```ts
   * const off = runtime.hooks.on('rejected', ({ error }) => console.warn(error.message));
   * ```
   */
  abstract readonly hooks: { on<Name extends HookName>(name: Name, listener: HookListener<Name>): () => void };

  /**
   * Resolves once every wanted subscription has a grant.
   *
   * Rejects after `timeoutMs` milliseconds (default 60,000), or at once if a subscription cannot get a grant in time.
   * The error names up to 20 subscriptions without a grant, each with the reason.
   *
   * @example
   * ```ts
   * await runtime.ready({ timeoutMs: 10_000 });
   * ```
   *
   * @throws WebSubError if a subscription has no grant in time, the runtime stops, or it is called in `onStart`
   */
  abstract ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  /**
   * Sends the first requests to hubs. Only needed with the option `deferRequests`: call it once your application
   * listens. Resolves once every first request was sent or is scheduled. After a success, further calls have no effect.
   *
   * @example
   * ```ts
   * const runtime = await startService(FeedReader, { manual: true, deferRequests: true, publicUrl });
   * app.use(runtime.nodeHandler);
   * app.listen(3000, () => runtime.begin());
   * ```
   *
   * @throws ResourceDiscoveryFailedError | SubscriptionInitiationError with `failFast`; the runtime has then stopped
   * @throws StoreError if the declared subscriptions cannot be stored; call it again
   * @throws WebSubError before `startService` has resolved, and once the runtime stops
   */
  abstract begin(): Promise<void>;
  /**
   * Subscribes a service of this runtime to a target. Resolves once the subscription is stored; use `ready()` to wait
   * for the hub. The same service and target always give the same subscription.
   *
   * @example
   * ```ts
   * const { id } = await runtime.subscribe(FeedReader, { target: 'https://example.com/feed', leaseSeconds: 86_400 });
   * ```
   *
   * @throws ConfigurationError if an option is invalid, the service is not running, or its callback is taken
   * @throws WebSubError once the runtime stops
   */
  abstract subscribe(service: ServiceReference, options: SubscribeOptions): Promise<Subscription>;
  /**
   * Ends a subscription and unsubscribes at the hub. It stays unsubscribed after a restart. Its service need not run.
   *
   * @throws WebSubError if there is no subscription with this id, or the runtime stops
   */
  abstract unsubscribe(id: string): Promise<Subscription>;
  /**
   * Ends the subscription of a service to a target, and unsubscribes at the hub.
   *
   * @example
   * ```ts
   * await runtime.unsubscribe(FeedReader, 'https://example.com/feed');
   * ```
   *
   * @throws WebSubError if the service has no subscription to this target, or the runtime stops
   * @throws ConfigurationError if an argument is not a service or not a target
   */
  abstract unsubscribe(service: ServiceReference, target: SubscribeOptions['target']): Promise<Subscription>;
  /**
   * Requests again a subscription that is denied, refused, ended or failing. Without an id: every wanted subscription
   * that is denied, stopped or failing.
   *
   * @throws WebSubError if there is no subscription with this id, its service is not running, or the runtime stops
   * @throws ConfigurationError if its callback now serves another subscription
   */
  abstract retry(id?: string): Promise<void>;
  /**
   * Renews a subscription now instead of at its planned time. Resolves once the renewal has started.
   *
   * @throws WebSubError if the subscription is unknown or not active (use `retry(id)` then), or the runtime stops
   */
  abstract renew(id: string): Promise<void>;
  /**
   * Gives the hub a new secret. Resolves once that has started. Content signed with the old secret is accepted for one
   * more day.
   *
   * @throws ConfigurationError if the secret is a fixed string, or there is none
   * @throws WebSubError if the subscription is unknown or not active, or the runtime stops
   */
  abstract rotateSecret(id: string): Promise<void>;
  /**
   * Gives the hub a new callback. Resolves once that has started. The old callback works until the hub has verified the
   * new one and was requested to unsubscribe the old one. Then the old callback answers 410.
   *
   * @throws ConfigurationError if the callback is fixed
   * @throws WebSubError if the subscription is unknown or not active, or the runtime stops
   */
  abstract rotateCallback(id: string): Promise<void>;
  /**
   * Resets the failure counts, and retries at once whatever waits because of failures. Without an id: for all
   * subscriptions.
   *
   * @throws WebSubError if there is no subscription with this id, its service is not running, or the runtime stops
   */
  abstract resetCounters(id?: string): Promise<void>;
  /** Adds a listener that is called when the runtime stops, after the services' `onShutdown`. */
  abstract onShutdown(listener: () => unknown): void;
  /**
   * Stops gracefully: unsubscribes, answers callbacks until hubs verify, waits for handlers or stores their events, and
   * closes. Takes at most `gracefulShutdownSeconds`, plus 2 if something hangs. A second call waits for the same stop.
   *
   * Subscriptions stay wanted: the next start subscribes again.
   *
   * @example
   * ```ts
   * await runtime.stop({ unsubscribe: false }); // keep the subscriptions for the next start
   * ```
   */
  abstract stop(options?: StopOptions): Promise<void>;
  /** Stops without unsubscribing and without waiting for handlers. Their events are stored. Cuts `stop()` short. */
  abstract stopNow(): Promise<void>;
  /** Calls `stop()` at the end of an `await using` block. */
  abstract [Symbol.asyncDispose](): Promise<void>;
}
