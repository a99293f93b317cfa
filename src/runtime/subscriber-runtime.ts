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

/** Which subscriptions to find: those that fit every given field. A field that is `undefined` counts as not given. */
export interface SubscriptionFilter {
  /** The service's name. */
  readonly service?: string | undefined;
  /** What was subscribed to, as `subscribe()` takes it: `https://EXAMPLE.com` finds `https://example.com/`. */
  readonly target?: SubscriptionTarget | readonly [hub: string, topic: string] | undefined;
  /** A state, or several of which one must fit. */
  readonly state?: SubscriptionState | readonly SubscriptionState[] | undefined;
  /** The topic of one of its grants, exactly as the hub knows it. */
  readonly topic?: string | undefined;
  /** The hub of one of its grants, exactly as its snapshot shows it. */
  readonly hub?: string | undefined;
  /** Whether the code declares it. */
  readonly declared?: boolean | undefined;
  /** Each of these names must have this value; other names do not matter. */
  readonly metadata?: SubscriptionMetadata | undefined;
}

/** All subscriptions of a runtime, as snapshots; iterating goes over all of them. */
export interface Subscriptions extends AsyncIterable<Subscription> {
  get(id: string): Promise<Subscription | undefined>;
  /** @throws ConfigurationError for a filter with an unknown field, or a value that cannot be */
  find(filter?: SubscriptionFilter): Promise<readonly Subscription[]>;
  /** @throws ConfigurationError as `find` does */
  count(filter?: SubscriptionFilter): Promise<number>;
}

/** Events that were given up, the oldest first of each service; iterating reads them one by one. */
export interface DeadLetterList extends AsyncIterable<DeadLetter> {
  /**
   * Has the handler run again, and tried again for `delivery.retryForSeconds` from now on. With `delivery.order:
   * 'subscription'` it joins the end of its subscription's line: what was received before the replay comes first.
   *
   * @throws WebSubError where there is no dead letter of that id, or its service is not started
   */
  replay(id: string): Promise<void>;
  /**
   * Removes it for good.
   *
   * @throws WebSubError where there is no dead letter of that id
   */
  discard(id: string): Promise<void>;
}

/**
 * The target to subscribe to, and the fields that differ from the service's configuration. A later call for the same service and target
 * replaces the fields that it gives and keeps the others. Where that changes what the hub is asked for, an active
 * subscription is renewed at once.
 */
export interface SubscribeOptions {
  readonly target: SubscriptionTarget | readonly [hub: string, topic: string];
  /** The lease asked for, in seconds. @default the service's */
  readonly leaseSeconds?: number;
  /** The secret, `'auto'` or `false`. @default the service's */
  readonly secret?: string | false;
  /**
   * Form fields for the requests of this subscription, merged over the service's: a field of the same name replaces the
   * service's. `{}` takes back those of an earlier call. They are stored with the subscription, and never shown.
   * @default none of its own
   */
  readonly customParams?: Readonly<Record<string, string>> | undefined;
  /**
   * Your own data: strings by name, 4,096 bytes of UTF-8 at most. It is stored with the subscription and is in its
   * snapshots, as in `event.subscription.metadata`. A later call with `metadata` replaces all of it; one without keeps it.
   * @default none
   */
  readonly metadata?: SubscriptionMetadata | undefined;
}

/** How a runtime is stopped. */
export interface StopOptions {
  /** Whether hubs are asked to stop sending. @default each service's `unsubscribeOnShutdown` */
  readonly unsubscribe?: boolean;
}

// The runtime takes services, and handlers take the runtime: these types refer to each other, so they share a file.

/** The handlers of a service. Only `onEventNotification` is required. */
export interface SubscriberHandlers extends ServiceHandlers<SubscriberRuntime> {}

/** A class whose instances are services. Not an abstract one: the runtime constructs it. */
export type SubscriberClass = new (...args: never[]) => SubscriberHandlers;

/** The result of `defineSubscriber`: `startService` and `subscribe()` take it as they take a decorated class. */
export interface SubscriberDefinition {
  readonly kind: 'subscriber';
  /** The service's name in the store. */
  readonly name: string;
}

/** A service: a decorated class, or the result of `defineSubscriber`. */
export type ServiceReference = SubscriberClass | SubscriberDefinition;

/**
 * A running subscriber, as `startService` returns it. The class is also the token under which a service gets its
 * runtime injected: `constructor(private readonly runtime: SubscriberRuntime)`.
 */
export abstract class SubscriberRuntime implements AsyncDisposable {
  /** The public URL, without a trailing slash; callbacks are `url` + `basePath` + a token. */
  abstract readonly url: string;
  /** The port that callbacks are answered on; undefined where it is not known: `manual`, or a server that does not listen yet. */
  abstract readonly port: number | undefined;
  /** Answers a fetch request: a callback's, else 404. */
  abstract readonly fetch: (request: Request) => Promise<Response>;
  /** Answers a node request on a callback; any other goes to `next`, or is answered 404 without one. */
  abstract readonly nodeHandler: (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => void;
  abstract readonly subscriptions: Subscriptions;
  abstract readonly deadLetters: DeadLetterList;
  /**
   * `on(name, listener)` returns a function that takes the listener off again. The payload is typed by the name:
   * `hooks.on('rejected', ({ error }) => error.message)`.
   */
  abstract readonly hooks: { on<Name extends HookName>(name: Name, listener: HookListener<Name>): () => void };

  /**
   * Resolves when every wanted subscription has a grant.
   *
   * @throws WebSubError naming those that have none and why: after `timeoutMs` (default 60,000), or at once when one
   *   will not be asked for again by itself
   */
  abstract ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  /**
   * Lets hubs be asked, with the option `deferRequests`: call it when the application listens. Without that option it is called
   * for you. Resolves when every first request has left or is scheduled. Called twice, it begins once.
   *
   * @throws ResourceDiscoveryFailedError and SubscriptionInitiationError, with `failFast`: the runtime has stopped
   * @throws StoreError when the declared subscriptions cannot be stored: call it again
   * @throws WebSubError before `startService` has resolved, and when the runtime stops
   */
  abstract begin(): Promise<void>;
  /** Wants a topic for a service of this runtime. The same service and target give the same subscription. */
  abstract subscribe(service: ServiceReference, options: SubscribeOptions): Promise<Subscription>;
  /**
   * Ends a subscription for good: the hub is asked to stop. Holds through restarts.
   *
   * @throws WebSubError where there is no subscription of that id, or its service is not started
   */
  abstract unsubscribe(id: string): Promise<Subscription>;
  /**
   * Ends the subscription that `subscribe(service, { target })` gives.
   *
   * @throws WebSubError where the service has no subscription to that target
   * @throws ConfigurationError for an argument that is not a service or not a target
   */
  abstract unsubscribe(service: ServiceReference, target: SubscribeOptions['target']): Promise<Subscription>;
  /** Tries afresh what was denied, refused or given up; without an id, all of those. */
  abstract retry(id?: string): Promise<void>;
  /**
   * Renews a subscription now, whenever that was planned; resolves when that is begun.
   *
   * @throws WebSubError where it is not active: `retry(id)` asks for it
   */
  abstract renew(id: string): Promise<void>;
  /**
   * Gives the hub another secret; resolves when that is begun. Content signed with the old one is accepted for a day.
   *
   * @throws ConfigurationError where the secret is a fixed string, or there is none
   * @throws WebSubError where the subscription is not active
   */
  abstract rotateSecret(id: string): Promise<void>;
  /**
   * Gives the hub another callback; resolves when that is begun. The old one is answered until the hub has verified the
   * new one and was asked to leave the old one; then it answers 410.
   *
   * @throws ConfigurationError where the callback is fixed
   * @throws WebSubError where the subscription is not active
   */
  abstract rotateCallback(id: string): Promise<void>;
  /** Counts failures from zero again and tries at once what waits because of them; without an id, for all subscriptions. */
  abstract resetCounters(id?: string): Promise<void>;
  /** Called when the runtime stops, after the services' own `onShutdown`. */
  abstract onShutdown(listener: () => unknown): void;
  /**
   * Unsubscribes, with the callbacks still answered until the hubs have verified it; lets handlers end, or stores their
   * events; then closes. Bounded by `gracefulShutdownSeconds`; called twice, it stops once. Unsubscribing at a stop is
   * no change of what is wanted: the next start subscribes again.
   */
  abstract stop(options?: StopOptions): Promise<void>;
  /** Closes without unsubscribing and without waiting for handlers: their events are stored. */
  abstract stopNow(): Promise<void>;
  /** `stop()`, at the end of an `await using`. */
  abstract [Symbol.asyncDispose](): Promise<void>;
}
