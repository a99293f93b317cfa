import { denyAll } from './subscriptions/denied-request.js';
import { distribute } from './delivery/content-distribution.js';
import { DENY_OPTIONS, FAILURE_OPTIONS, FAULT_OPTIONS, holdBackKind, REDIRECT_OPTIONS } from './faults/fault-checks.js';
import { HUB_OPTIONS, PUBLISH_OPTIONS, REVERIFY_OPTIONS, TOPIC_OPTIONS, WAIT_OPTIONS } from './checks/hub-checks.js';
import { createHubParts, type HubParts, type TestHubOptions } from './hub-parts.js';
import { listenOnLoopback, type Answer, type LoopbackServer } from './loopback-server.js';
import { deny, reportError } from './delivery/notices.js';
import { checkArgument, checkOptions } from './checks/option-checks.js';
import { readRequest, type ReceivedRequest } from './subscriptions/received-request.js';
import { reverify, type ReverifyOptions } from './delivery/reverification.js';
import { answerSubscriptionRequest } from './subscriptions/subscription-endpoint.js';
import { createTopicHandle, type HubTopic } from './topics/topic-handle.js';
import type { IncomingMessage } from 'node:http';
import type { Truthy, WaitOptions } from './conditions.js';
import type { Delivery } from './delivery/delivery.js';
import type { HubDelays, HubFaults } from './faults/hub-faults.js';
import type { DenyOptions, RequestFailure, RequestRedirect } from './faults/request-faults.js';
import type { HubSubscription, HubSubscriptionState, SubscriptionKey } from './subscriptions/subscription-table.js';
import type { Distributor, PublishOptions, TopicOptions } from './topics/topic-options.js';
import type { Violation } from './checks/violation.js';

const HUB_PATH = '/hub';

/**
 * A conforming WebSub hub and publisher for tests. It runs inside the test process, on loopback, and can be told to
 * misbehave.
 *
 * It accepts subscriptions to any topic: its own topics and those of other servers. It records everything it receives
 * and sends. It checks each subscription request, and each response to a verification, against the specification; see
 * `violations`.
 *
 * Every method throws or rejects with `ConfigurationError` when an option is unknown or invalid.
 *
 * @example
 * const hub = await TestHub.start();
 * const topic = hub.topic('/feed', { body: 'first' });
 * // … start the subscriber, with topic.url as its target
 * await hub.verified(topic);
 * const [delivery] = await topic.publish('second');
 * await hub.close();
 */
export class TestHub implements Distributor, AsyncDisposable {
  /** The URL that subscription requests go to. */
  readonly url: string;
  readonly port: number;
  readonly #server: LoopbackServer;
  readonly #parts: HubParts;
  #closing: Promise<void> | undefined;

  /**
   * Starts a hub on loopback.
   *
   * @throws ListenerError when it cannot listen
   * @throws ConfigurationError when an option is unknown or invalid
   */
  static async start(options: TestHubOptions = {}): Promise<TestHub> {
    checkOptions('TestHub.start()', options, HUB_OPTIONS);
    return new TestHub(options, await listenOnLoopback({ port: options.port ?? 0, tls: options.tls }));
  }

  private constructor(options: TestHubOptions, server: LoopbackServer) {
    const { hostname = '127.0.0.1', tls } = options;
    this.url = `${tls ? 'https' : 'http'}://${hostname}:${server.port}${HUB_PATH}`;
    this.port = server.port;
    this.#server = server;
    this.#parts = createHubParts(this, options);
    server.serve(this.#parts.tasks, (message) => this.#answer(message));
  }

  /** Every request received, for the hub and for its topics, in the order they arrived in full. */
  get requests(): readonly ReceivedRequest[] {
    return this.#parts.requests;
  }

  /** Every request sent to callbacks, in the order of the responses: verifications, denials, errors, content. */
  get deliveries(): readonly Delivery[] {
    return this.#parts.deliveries;
  }

  /** Every violation of the specification by a subscriber, in the order of occurrence. */
  get violations(): readonly Violation[] {
    return this.#parts.violations;
  }

  /** Snapshots of all subscriptions, including ended ones. */
  get subscriptions(): readonly HubSubscription[] {
    return this.#parts.context.subscriptions.all();
  }

  /**
   * Serves a topic at a path of this hub's own server. The path can have a query.
   *
   * @throws ConfigurationError when the path is taken, or an option is unknown or invalid
   *
   * @example
   * const topic = hub.topic('/feed', { discovery: 'html', leaseSeconds: 60 });
   */
  topic(path: string, options: TopicOptions = {}): HubTopic {
    checkOptions('hub.topic()', options, TOPIC_OPTIONS);
    return createTopicHandle(this, this.#parts.context, this.#parts.topics.add(path, options));
  }

  /**
   * Sends content to the active subscribers of any topic, including topics that another server publishes. Resolves with
   * one delivery per subscriber. A closed hub sends nothing.
   */
  async distribute(topic: string, body: string | Uint8Array, options: PublishOptions = {}): Promise<Delivery[]> {
    checkOptions('hub.distribute()', options, PUBLISH_OPTIONS);
    const { contentType = 'text/plain; charset=utf-8', headers = {} } = options;
    if (this.#closing) return [];
    const { verifications } = this.#parts.context;
    while (verifications.size > 0) await Promise.allSettled(verifications);
    return this.#parts.track(distribute(this.#parts.context, topic, { body: Buffer.from(body), contentType, headers }));
  }

  /**
   * Changes any faults of the hub. Omitted fields stay. A field set to `undefined` returns to the library's default,
   * not to the option of `start()`.
   */
  configure(faults: HubFaults): void {
    checkOptions('hub.configure()', faults, FAULT_OPTIONS);
    this.#parts.faults.change(faults);
  }

  /**
   * Denies all subscriptions, and all subscription requests from now on. Topics that set `deny` themselves are not
   * affected. `configure({ deny: false })` stops it. A denial ends a subscription; with `keep`, an active one stays
   * active.
   */
  deny(reason?: string, options?: DenyOptions): Promise<Delivery[]>;
  /** Denies one subscription. The denial is also sent when the hub does not know the subscription. */
  deny(reason: string, subscription: SubscriptionKey, options?: DenyOptions): Promise<Delivery[]>;
  async deny(
    reason = '',
    target: DenyOptions | SubscriptionKey = {},
    keyOptions: DenyOptions = {},
  ): Promise<Delivery[]> {
    const isKey = 'callback' in Object(target);
    checkOptions('hub.deny()', isKey ? keyOptions : target, DENY_OPTIONS);
    if ('callback' in target) return [await deny(this.#parts.context, target, reason, keyOptions)];
    const denial = { reason, ...target };
    this.#parts.faults.change({ deny: denial });
    return denyAll(this.#parts.context, denial);
  }

  /** Answers subscription requests with a status instead of serving them; `'reset'` cuts the connection. */
  fail(status: RequestFailure['status'], options: Omit<RequestFailure, 'status'> = {}): void {
    const fail = { status, ...options };
    checkOptions('hub.fail()', fail, FAILURE_OPTIONS, { required: ['status'] });
    this.#parts.faults.change({ fail });
  }

  /** Redirects subscription requests. */
  redirect(status: RequestRedirect['status'], to: string, options: Omit<RequestRedirect, 'status' | 'to'> = {}): void {
    const redirect = { status, to, ...options };
    checkOptions('hub.redirect()', redirect, REDIRECT_OPTIONS, { required: ['status', 'to'] });
    this.#parts.faults.change({ redirect });
  }

  /**
   * Holds back one kind of message until the returned function is called: responses to subscription requests,
   * verifications and denials, content, or responses to a GET of a topic. Messages wait as they were created: content
   * is already signed.
   *
   * @example
   * const release = hub.holdBack('content');
   * const published = topic.publish('second');
   * release();
   * await published;
   */
  holdBack(what: keyof HubDelays): () => void {
    checkArgument('hub.holdBack()', 'the argument', what, holdBackKind);
    return this.#parts.holdBacks.holdBack(what);
  }

  /** Sends `hub.mode=hub-error` to all active subscribers. */
  async error(reason = ''): Promise<Delivery[]> {
    const subscribers = this.#parts.context.subscriptions.active();
    return Promise.all(subscribers.map((subscriber) => reportError(this.#parts.context, subscriber, reason)));
  }

  /**
   * Sends an unsolicited verification, or the first one when `verify` is `'never'`. When the subscriber confirms, a new
   * lease starts; when it refuses, the subscription ends. The verification is also sent when the hub does not know the
   * subscription.
   */
  async verify(subscription: SubscriptionKey, options: ReverifyOptions = {}): Promise<Delivery> {
    checkOptions('hub.verify()', options, REVERIFY_OPTIONS);
    return this.#parts.track(reverify(this.#parts.context, subscription, options));
  }

  /**
   * Resolves with the first truthy value of the probe. The probe runs at once, after everything the hub receives or
   * sends, and every 20 ms. Rejects on timeout (the error summarizes what the hub has seen), when the probe throws, and
   * when the hub is closed.
   *
   * @example
   * await hub.until(() => received.length === 3, { what: 'three events' });
   */
  async until<Value>(
    probe: (hub: TestHub) => Value | Promise<Value>,
    options: WaitOptions = {},
  ): Promise<Truthy<Value>> {
    checkOptions('hub.until()', options, WAIT_OPTIONS);
    return this.#parts.conditions.until(() => probe(this), options);
  }

  /**
   * Waits for a subscription (to this topic, if given) that is verified and within its lease. Resolves with the first
   * one.
   */
  verified(topic?: string | Pick<HubTopic, 'self'>, options?: WaitOptions): Promise<HubSubscription> {
    return this.#reached('active', 'a verified subscription to', topic, options);
  }

  /** Waits for a verified unsubscription (from this topic, if given). Resolves with the first such subscription. */
  unsubscribed(topic?: string | Pick<HubTopic, 'self'>, options?: WaitOptions): Promise<HubSubscription> {
    return this.#reached('unsubscribed', 'an unsubscription from', topic, options);
  }

  /** Resolves once nothing is pending: requests are answered; verifications, denials and deliveries are done. */
  settled(): Promise<void> {
    return this.#parts.tasks.settled();
  }

  /** Closes the hub at once and aborts everything pending. Nothing keeps the process alive after that. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([this.#parts.close(), this.#server.close()]);
    await this.#parts.tasks.settled();
  }

  async #answer(message: IncomingMessage): Promise<Answer> {
    const request = await readRequest(message, this.#parts.now);
    this.#parts.requests.push(request);
    this.#parts.conditions.check();
    if (request.path.split('?')[0] === HUB_PATH) return answerSubscriptionRequest(this.#parts.context, request);
    return this.#parts.topics.answer(request, (faults) => this.#parts.holdBacks.wait('topic', faults));
  }

  async #reached(
    state: HubSubscriptionState,
    what: string,
    topic: string | Pick<HubTopic, 'self'> | undefined,
    options: WaitOptions = {},
  ): Promise<HubSubscription> {
    checkOptions(state === 'active' ? 'hub.verified()' : 'hub.unsubscribed()', options, WAIT_OPTIONS);
    const url = typeof topic === 'object' ? topic.self : topic;
    const reached = (): HubSubscription | undefined =>
      this.subscriptions.find((one) => one.state === state && (url === undefined || one.topic === url));
    return this.#parts.conditions.until(reached, { what: `${what} ${url ?? 'any topic'}`, ...options });
  }
}
