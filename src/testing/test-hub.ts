import { createCallbackClient, type CallbackClient } from './callback-client.js';
import { createConditions, type Conditions, type Truthy, type WaitOptions } from './conditions.js';
import { distribute } from './content-distribution.js';
import { createFaultLayer, type FaultLayer } from './fault-layer.js';
import { hubSummary } from './hub-summary.js';
import { HubTopics } from './hub-topics.js';
import { listenOnLoopback, type Answer, type LoopbackServer } from './loopback-server.js';
import { deny, reportError } from './notices.js';
import { createPendingTasks, type PendingTasks } from './pending-tasks.js';
import { readRequest, type ReceivedRequest } from './received-request.js';
import { reverify, type ReverifyOptions } from './reverification.js';
import { answerSubscriptionRequest } from './subscription-endpoint.js';
import {
  SubscriptionTable,
  type HubSubscription,
  type HubSubscriptionState,
  type SubscriptionKey,
} from './subscription-table.js';
import { createTopicHandle } from './topic-handle.js';
import type { IncomingMessage } from 'node:http';
import type { Delivery } from './delivery.js';
import type { HubContext } from './hub-context.js';
import type { HubFaults, RequestFailure } from './hub-faults.js';
import type { HubTopic } from './hub-topic.js';
import type { TestHubOptions } from './test-hub-options.js';
import type { Distributor, TopicOptions } from './topic-options.js';
import type { Violation } from './violation.js';

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
  readonly #requests: ReceivedRequest[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #violations: Violation[] = [];
  readonly #now: () => number;
  readonly #faults: FaultLayer;
  readonly #topics: HubTopics;
  readonly #context: HubContext;
  readonly #client: CallbackClient;
  readonly #tasks: PendingTasks;
  readonly #conditions: Conditions;
  readonly #server: LoopbackServer;
  #closing: Promise<void> | undefined;

  /** Starts a hub. Throws `ListenerError` when it cannot listen. */
  static async start(options: TestHubOptions = {}): Promise<TestHub> {
    return new TestHub(options, await listenOnLoopback({ port: options.port ?? 0, tls: options.tls }));
  }

  private constructor(options: TestHubOptions, server: LoopbackServer) {
    const { hostname = '127.0.0.1', tls, ca, protocol = 'websub', timeoutMs = 10_000, now = Date.now } = options;
    this.url = `${tls ? 'https' : 'http'}://${hostname}:${server.port}${HUB_PATH}`;
    this.port = server.port;
    this.#now = now;
    this.#server = server;
    this.#faults = createFaultLayer(options);
    this.#topics = new HubTopics(this, this.#faults);
    this.#conditions = createConditions(() => hubSummary(this));
    this.#tasks = createPendingTasks(() => this.#conditions.check());
    const { pause } = this.#tasks;
    this.#client = createCallbackClient({ timeoutMs, ca, now, pause });
    this.#context = {
      url: this.url,
      protocol,
      secure: tls !== undefined,
      subscriptions: new SubscriptionTable(now),
      violations: this.#violations,
      faultsOf: (topic) => this.#topics.faultsOf(topic),
      takeFailure: (topic) => this.#topics.takeFailure(topic),
      verifications: new Set(),
      pause,
      send: (...request) => this.#track(this.#send(request)),
    };
    server.serve(this.#tasks, (message) => this.#answer(message));
  }

  /** Everything received, for the hub and for its topics, in the order it arrived in full. */
  get requests(): readonly ReceivedRequest[] {
    return this.#requests;
  }

  /** Everything sent to callbacks, in the order it was answered: verifications, denials, errors, content. */
  get deliveries(): readonly Delivery[] {
    return this.#deliveries;
  }

  /** What subscribers did against the specification, in the order it was seen. */
  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** The subscriptions as they stand now, also those that are over. */
  get subscriptions(): readonly HubSubscription[] {
    return this.#context.subscriptions.all();
  }

  /**
   * Serves a topic at a path (with a query, if you like) of this hub's own server. Throws `ConfigurationError` when the path
   * is taken.
   */
  topic(path: string, options: TopicOptions = {}): HubTopic {
    return createTopicHandle(this, this.#context, this.#topics.add(path, options));
  }

  /**
   * Sends content to the subscribers of any topic, also of one that another server publishes. Resolves with what became of
   * each; a hub that is closed sends nothing.
   */
  async distribute(
    topic: string,
    body: string | Uint8Array,
    { contentType = 'text/plain; charset=utf-8' }: { readonly contentType?: string } = {},
  ): Promise<Delivery[]> {
    if (this.#closing) return [];
    const { verifications } = this.#context;
    while (verifications.size > 0) await Promise.allSettled(verifications);
    return this.#track(distribute(this.#context, topic, { body: Buffer.from(body), contentType }));
  }

  /** Changes any fault; one given as `undefined` is back at its default. */
  configure(faults: HubFaults): void {
    this.#faults.change(faults);
  }

  /**
   * With a subscription: ends it with a denial. Without: ends all with a denial, and denies those asked for from now on
   * (`configure({ deny: false })` stops that), except for topics that have set `deny` themselves.
   */
  async deny(reason = '', subscription?: SubscriptionKey): Promise<Delivery[]> {
    if (subscription) return [await deny(this.#context, subscription, reason)];
    this.configure({ deny: reason });
    const { faultsOf, subscriptions } = this.#context;
    const ended = subscriptions.live().filter(({ topic }) => faultsOf(topic).deny === reason);
    return Promise.all(ended.map((one) => deny(this.#context, one, reason)));
  }

  /** Answers subscription requests with a status instead of serving them. */
  fail(status: number, options: Omit<RequestFailure, 'status'> = {}): void {
    this.configure({ fail: { status, ...options } });
  }

  /** Redirects subscription requests. */
  redirect(status: 307 | 308, to: string): void {
    this.configure({ redirect: { status, to } });
  }

  /** Sends `hub.mode=hub-error` to all subscribers. */
  async error(reason = ''): Promise<Delivery[]> {
    const told = this.#context.subscriptions.active();
    return Promise.all(told.map((one) => reportError(this.#context, one, reason)));
  }

  /**
   * Verifies a subscription unasked, or for the first time where `verify` is `never`. Confirmed, its lease begins anew;
   * refused, it ends. Sent also when the hub knows no such subscription.
   */
  verify(subscription: SubscriptionKey, options: ReverifyOptions = {}): Promise<Delivery> {
    return this.#track(reverify(this.#context, subscription, options));
  }

  /**
   * Resolves with the first truthy value of the probe, which is asked at once, after whatever the hub receives or sends, and
   * every 20 ms. Rejects when that takes too long, telling what the hub has seen; when the probe throws; and when the hub is
   * closed.
   */
  until<Value>(probe: (hub: TestHub) => Value | Promise<Value>, options?: WaitOptions): Promise<Truthy<Value>> {
    return this.#conditions.until(() => probe(this), options);
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
    return this.#tasks.settled();
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
    this.#conditions.close();
    this.#tasks.abort();
    await Promise.all([this.#client.close(), this.#server.close()]);
    await this.#tasks.settled();
  }

  async #answer(message: IncomingMessage): Promise<Answer> {
    const request = await readRequest(message, this.#now);
    this.#requests.push(request);
    this.#conditions.check();
    if (request.path.split('?')[0] === HUB_PATH) return answerSubscriptionRequest(this.#context, request);
    return this.#topics.answer(request, this.#tasks.pause);
  }

  #reached(
    state: HubSubscriptionState,
    what: string,
    topic: string | Pick<HubTopic, 'self'> | undefined,
    options: WaitOptions = {},
  ): Promise<HubSubscription> {
    const url = typeof topic === 'object' ? topic.self : topic;
    const reached = (): HubSubscription | undefined =>
      this.subscriptions.find((one) => one.state === state && (url === undefined || one.topic === url));
    return this.#conditions.until(reached, { what: `${what} of ${url ?? 'any topic'}`, ...options });
  }

  async #send(request: Parameters<CallbackClient['send']>): Promise<Delivery> {
    const delivery = await this.#client.send(...request);
    this.#deliveries.push(delivery);
    return delivery;
  }

  async #track<Value>(work: Promise<Value>): Promise<Value> {
    this.#tasks.run(() => work);
    return work;
  }
}
