import { createCallbackClient } from './delivery/callback-client.js';
import { createConditions, type Conditions } from './faults/conditions.js';
import { createFaultLayer, type FaultLayer } from './faults/fault-layer.js';
import { createHoldBacks, type HoldBacks } from './faults/hold-backs.js';
import { hubSummary } from './hub-summary.js';
import { HubTopics } from './topics/hub-topics.js';
import { createPendingTasks, type PendingTasks } from './pending-tasks.js';
import { SubscriptionTable } from './subscriptions/subscription-table.js';
import type { Delivery } from './delivery/delivery.js';
import type { HubContext } from './hub-context.js';
import type { ReceivedRequest } from './subscriptions/received-request.js';
import type { TestHubOptions } from './test-hub-options.js';
import type { Distributor } from './topics/topic-options.js';
import type { Violation } from './checks/violation.js';

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
  /** Counts work as under way until it is over. */
  track<Value>(work: Promise<Value>): Promise<Value>;
  /** Breaks off what is under way; what waits is rejected. */
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
    const what = kind === 'content' ? 'content' : 'verification';
    const delivery = await client.send(kind, to, sent, () => holdBacks.wait(what, topics.faultsOf(to.topic)));
    deliveries.push(delivery);
    return delivery;
  };
  const context: HubContext = {
    url: hub.url,
    protocol,
    secure: tls !== undefined,
    subscriptions,
    violations,
    faultsOf: (topic) => topics.faultsOf(topic),
    takeFault: (name, topic, kind) => topics.takeFault(name, topic, kind),
    takeExcess: (topic) => topics.takeExcess(topic, now()),
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
