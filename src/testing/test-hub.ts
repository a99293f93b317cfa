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
 * A conforming WebSub hub and publisher inside the test process, on loopback, that misbehaves where it is told to.
 *
 * It serves any topic it is asked for, its own or another server's, keeps what it receives and sends, and checks each
 * subscription request and each answer to a verification against the specification: see `violations`.
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
  /** Where subscription requests go. */
  readonly url: string;
  readonly port: number;
  readonly #server: LoopbackServer;
  readonly #parts: HubParts;
  #closing: Promise<void> | undefined;

  /**
   * Starts a hub. Throws `ListenerError` when it cannot listen. Here and in all functions, `ConfigurationError` for an option
   * that is unknown or wrong.
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

  /** Everything received, for the hub and for its topics, in the order it arrived in full. */
  get requests(): readonly ReceivedRequest[] {
    return this.#parts.requests;
  }

  /** Everything sent to callbacks, in the order it was answered: verifications, denials, errors, content. */
  get deliveries(): readonly Delivery[] {
    return this.#parts.deliveries;
  }

  /** What subscribers did against the specification, in the order it was seen. */
  get violations(): readonly Violation[] {
    return this.#parts.violations;
  }

  /** The subscriptions as they stand now, also those that are over. */
  get subscriptions(): readonly HubSubscription[] {
    return this.#parts.context.subscriptions.all();
  }

  /**
   * Serves a topic at a path (with a query, if you like) of this hub's own server. Throws `ConfigurationError` when the path
   * is taken.
   */
  topic(path: string, options: TopicOptions = {}): HubTopic {
    checkOptions('hub.topic()', options, TOPIC_OPTIONS);
    return createTopicHandle(this, this.#parts.context, this.#parts.topics.add(path, options));
  }

  /**
   * Sends content to the subscribers of any topic, also of one that another server publishes. Resolves with what became of
   * each; a hub that is closed sends nothing.
   */
  async distribute(topic: string, body: string | Uint8Array, options: PublishOptions = {}): Promise<Delivery[]> {
    checkOptions('hub.distribute()', options, PUBLISH_OPTIONS);
    const { contentType = 'text/plain; charset=utf-8', headers = {} } = options;
    if (this.#closing) return [];
    const { verifications } = this.#parts.context;
    while (verifications.size > 0) await Promise.allSettled(verifications);
    return this.#parts.track(distribute(this.#parts.context, topic, { body: Buffer.from(body), contentType, headers }));
  }

  /** Changes any fault; one given as `undefined` is back at its default. */
  configure(faults: HubFaults): void {
    checkOptions('hub.configure()', faults, FAULT_OPTIONS);
    this.#parts.faults.change(faults);
  }

  /**
   * Denies all subscriptions and those asked for from now on (`configure({ deny: false })` stops that), except for topics that
   * have set `deny` themselves. A denial ends a subscription; with `keep` an active one stays active.
   */
  deny(reason?: string, options?: DenyOptions): Promise<Delivery[]>;
  /** Denies one subscription. Sent also when the hub knows no such subscription. */
  deny(reason: string, subscription: SubscriptionKey, options?: DenyOptions): Promise<Delivery[]>;
  async deny(reason = '', about: DenyOptions | SubscriptionKey = {}, one: DenyOptions = {}): Promise<Delivery[]> {
    const isKey = 'callback' in Object(about);
    checkOptions('hub.deny()', isKey ? one : about, DENY_OPTIONS);
    if ('callback' in about) return [await deny(this.#parts.context, about, reason, one)];
    const denial = { reason, ...about };
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
   * Holds back answers to subscription requests, verifications and denials, content, or answers to a GET of a topic, until the
   * function it returns is called. They wait in the state they have then: content is already signed.
   */
  holdBack(what: keyof HubDelays): () => void {
    checkArgument('hub.holdBack()', 'its argument', what, holdBackKind);
    return this.#parts.holdBacks.holdBack(what);
  }

  /** Sends `hub.mode=hub-error` to all subscribers. */
  async error(reason = ''): Promise<Delivery[]> {
    const told = this.#parts.context.subscriptions.active();
    return Promise.all(told.map((one) => reportError(this.#parts.context, one, reason)));
  }

  /**
   * Verifies a subscription unasked, or for the first time where `verify` is `never`. Confirmed, its lease begins anew;
   * refused, it ends. Sent also when the hub knows no such subscription.
   */
  async verify(subscription: SubscriptionKey, options: ReverifyOptions = {}): Promise<Delivery> {
    checkOptions('hub.verify()', options, REVERIFY_OPTIONS);
    return this.#parts.track(reverify(this.#parts.context, subscription, options));
  }

  /**
   * Resolves with the first truthy value of the probe, which is asked at once, after whatever the hub receives or sends, and
   * every 20 ms. Rejects when that takes too long, telling what the hub has seen; when the probe throws; and when the hub is
   * closed.
   */
  async until<Value>(
    probe: (hub: TestHub) => Value | Promise<Value>,
    options: WaitOptions = {},
  ): Promise<Truthy<Value>> {
    checkOptions('hub.until()', options, WAIT_OPTIONS);
    return this.#parts.conditions.until(() => probe(this), options);
  }

  /** Resolves with the first subscription (to this topic) that is verified and within its lease, waiting for one if need be. */
  verified(topic?: string | Pick<HubTopic, 'self'>, options?: WaitOptions): Promise<HubSubscription> {
    return this.#reached('active', 'A verified subscription', topic, options);
  }

  /** Resolves with the first subscription (to this topic) that ended by a verified unsubscription, waiting for one if need be. */
  unsubscribed(topic?: string | Pick<HubTopic, 'self'>, options?: WaitOptions): Promise<HubSubscription> {
    return this.#reached('unsubscribed', 'An unsubscription', topic, options);
  }

  /** Resolves once nothing is under way: every request is answered, every verification, denial and delivery is over. */
  settled(): Promise<void> {
    return this.#parts.tasks.settled();
  }

  /** Closes at once, breaking off what is under way; nothing keeps the process alive then. May be called again. */
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
    return this.#parts.conditions.until(reached, { what: `${what} of ${url ?? 'any topic'}`, ...options });
  }
}
