import { createCallbackClient } from './delivery/callback-client.js';
import { createConditions, type Conditions } from './conditions.js';
import { createFaultLayer, type FaultLayer } from './faults/fault-layer.js';
import { createHoldBacks, type HoldBacks } from './faults/hold-backs.js';
import { HubTopics } from './topics/hub-topics.js';
import { createPendingTasks, type PendingTasks } from './pending-tasks.js';
import { SubscriptionTable, type HubSubscription } from './subscriptions/subscription-table.js';
import type { Delivery } from './delivery/delivery.js';
import type { HubContext } from './hub-context.js';
import type { HubFaults } from './faults/hub-faults.js';
import type { HubProtocol } from './checks/request-violations.js';
import type { ReceivedRequest } from './subscriptions/received-request.js';
import type { Distributor } from './topics/topic-options.js';
import type { Violation } from './checks/violation.js';

/**
 * Options of `TestHub.start()`. The faults apply to every topic that does not set its own.
 *
 * @example
 * const hub = await TestHub.start({ leaseSeconds: 60, verify: 'sync' });
 */
export interface TestHubOptions extends HubFaults {
  /** Port on 127.0.0.1; 0 picks a free one. @default 0 */
  readonly port?: number;
  /** Host name in the URLs of the hub and its topics. It must resolve to 127.0.0.1. @default '127.0.0.1' */
  readonly hostname?: string;
  /** Key and certificate (PEM). With them, hub and topics are served over https. @default plain http */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  /** Certificate (PEM) to trust when a callback is https. @default the authorities Node trusts */
  readonly ca?: string | Buffer;
  /** Protocol the hub speaks. `pubsubhubbub-0.3` requires `hub.verify` and signs with sha1. @default 'websub' */
  readonly protocol?: HubProtocol;
  /** Milliseconds to wait for a callback's complete response before the delivery counts as failed. @default 10_000 */
  readonly timeoutMs?: number;
  /** The hub's clock, in milliseconds since the epoch: leases, rate limits and recorded times. @default Date.now */
  readonly now?: () => number;
}

/** The parts of one hub, wired together. */
export interface HubParts {
  readonly requests: ReceivedRequest[];
  readonly deliveries: Delivery[];
  readonly violations: Violation[];
  readonly now: () => number;
  readonly faults: FaultLayer;
  readonly topics: HubTopics;
  readonly tasks: PendingTasks;
  readonly conditions: Conditions;
  readonly holdBacks: HoldBacks;
  readonly context: HubContext;
  /** Tracks work until it ends, so that `settled()` waits for it. */
  track<Value>(work: Promise<Value>): Promise<Value>;
  /** Aborts pending work and rejects every wait. */
  close(): Promise<void>;
}

export function createHubParts(hub: Distributor, options: TestHubOptions): HubParts {
  const { tls, ca, protocol = 'websub', timeoutMs = 10_000, now = Date.now } = options;
  const requests: ReceivedRequest[] = [];
  const deliveries: Delivery[] = [];
  const violations: Violation[] = [];
  const subscriptions = new SubscriptionTable(now);
  const faults = createFaultLayer(options);
  const topics = new HubTopics(hub, faults);
  const client = createCallbackClient({ timeoutMs, ca, now });
  const conditions = createConditions(() =>
    hubSummary({ url: hub.url, requests, deliveries, subscriptions: subscriptions.all(), violations }),
  );
  const tasks = createPendingTasks(() => conditions.check());
  const holdBacks = createHoldBacks(tasks.pause);

  const track = async <Value>(work: Promise<Value>): Promise<Value> => {
    tasks.run(() => work);
    return work;
  };
  const send = async (...[kind, to, sent]: Parameters<HubContext['send']>): Promise<Delivery> => {
    const heldBack = kind === 'content' ? 'content' : 'verification';
    const delivery = await client.send(kind, to, sent, () => holdBacks.wait(heldBack, topics.faultsOf(to.topic)));
    deliveries.push(delivery);
    return delivery;
  };
  const context: HubContext = {
    url: hub.url,
    protocol,
    isSecure: tls !== undefined,
    subscriptions,
    violations,
    faultsOf: (topic) => topics.faultsOf(topic),
    takeFault: (name, topic, kind) => topics.takeFault(name, topic, kind),
    countAgainstRateLimit: (topic) => topics.countAgainstRateLimit(topic, now()),
    holdBacks,
    verifications: new Set(),
    send: (...request) => track(send(...request)),
  };

  return {
    requests,
    deliveries,
    violations,
    now,
    faults,
    topics,
    tasks,
    conditions,
    holdBacks,
    context,
    track,
    async close() {
      conditions.close();
      tasks.abort();
      holdBacks.close();
      await client.close();
    },
  };
}

/** The records that go into the summary. */
interface HubRecords {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  readonly deliveries: readonly Delivery[];
  readonly subscriptions: readonly HubSubscription[];
  readonly violations: readonly Violation[];
}

/** Summarizes what a hub has received and sent, for an error message. Leaves out callbacks: their URLs are secret. */
function hubSummary({ url, requests, deliveries, subscriptions, violations }: HubRecords): string {
  return [
    `The hub ${url} received requests: ${list(requests.map(({ method, path }) => `${method} ${path}`))}`,
    `sent requests: ${list(deliveries.map((one) => `${one.kind} for ${one.topic} -> ${one.status ?? one.error?.message}`))}`,
    `subscriptions: ${list(subscriptions.map(({ topic, state }) => `${topic} ${state}`))}`,
    `violations: ${list(violations.map(({ message }) => message))}`,
  ].join('; ');
}

function list(items: readonly string[]): string {
  const last = items.slice(-10);
  const omitted = items.length - last.length;
  return items.length === 0 ? 'none' : `${omitted > 0 ? `${omitted} more, then ` : ''}${last.join(', ')}`;
}
