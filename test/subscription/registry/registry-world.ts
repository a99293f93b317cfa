import { randomBytes } from 'node:crypto';
import { embeddedEngine, type EmbeddedEngine } from '../../../src/engine/embedded-engine.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import type { NamedEffect } from '../../../src/subscription/machine/transition-types.js';
import { newSubscription, type SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { Registry } from '../../../src/subscription/registry/registry.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { recordingLogger, type RecordedLine } from '../../kit/recording-logger.js';
import { servicesWith, testContext } from '../../kit/test-context.js';
import { withCurrentIds, type BareInput } from '../machine/current-ids.js';
import { HUB, RULES, START, TOPIC } from '../machine/subscription-machine.js';

/** The request policy of a service without options. */
export const POLICY: RequestPolicy = {
  rules: RULES,
  secret: undefined,
  protocol: 'websub',
  httpConfig: {},
  discoveryConfig: {},
  customParams: {},
  customHeaders: {},
  allowPrivateNetworks: true,
  allowInsecureSecret: false,
  hasOneCallback: false,
  callbackOf: (path) => `http://127.0.0.1/websub/${path}`,
  newPath: () => randomBytes(32).toString('base64url'),
};

/** A registry with a store in memory. Writes to it can be made to fail. */
export interface World {
  readonly registry: Registry;
  /** Applies an input. Ids that are missing are the current ones. */
  readonly apply: (id: string, input: BareInput) => Promise<SubscriptionRecord>;
  readonly engine: EmbeddedEngine;
  readonly store: RecordStore;
  readonly lines: RecordedLine[];
  /** The effects in order, each with the stored record at that moment. */
  readonly performed: { readonly effect: NamedEffect; readonly stored: Promise<unknown> }[];
  /** The clock, in epoch milliseconds. A test sets it and calls `engine.tick()`, so this is no ManualClock. */
  now: number;
  isFailing: boolean;
  policy: RequestPolicy | undefined;
  /** Called instead of recording an effect. */
  perform: ((record: SubscriptionRecord, effect: NamedEffect) => void) | undefined;
}

export async function world(store?: RecordStore): Promise<World> {
  const lines: RecordedLine[] = [];
  const logger = recordingLogger(lines);
  const backing = store ?? (await openStore('memory'));
  const flaky: RecordStore = {
    ...backing,
    set: async (...record) => {
      if (registryWorld.isFailing) throw new Error('the store is down');
      await backing.set(...record);
    },
    write: async (changes) => {
      if (registryWorld.isFailing) throw new Error('the store is down');
      await backing.write(changes);
    },
  };
  const engine = embeddedEngine({ now: () => registryWorld.now });
  const registryWorld: World = {
    engine,
    store: backing,
    lines,
    performed: [],
    now: START,
    isFailing: false,
    policy: POLICY,
    perform: undefined,
    apply: (id, input) => {
      const { record } = registryWorld.registry.get(id) ?? { record: subscription(id) };
      return registryWorld.registry.apply(id, withCurrentIds(input, record, registryWorld.now));
    },
    registry: new Registry(
      testContext({
        store: flaky,
        engine,
        logger,
        now: () => registryWorld.now,
        services: servicesWith({ policyOf: () => registryWorld.policy, leavingPolicy: POLICY }),
      }),
    ),
  };
  registryWorld.registry.onEffect((record, effect) => {
    if (registryWorld.perform !== undefined) registryWorld.perform(record, effect);
    else registryWorld.performed.push({ effect, stored: backing.get('subscription', record.id) });
  });
  return registryWorld;
}

export const subscription = (id: string, target: SubscriptionTarget = TOPIC): SubscriptionRecord =>
  newSubscription({ id, service: 'News', target, declared: true, createdAt: START, overrides: undefined });

/** Adds a subscription whose hub has verified it. Resolves to the id of its grant. */
export async function addActive(registryWorld: World, id = 's'): Promise<string> {
  await registryWorld.registry.add(subscription(id));
  await registryWorld.apply(id, { type: 'wanted' });
  const { grants } = await registryWorld.apply(id, { type: 'discovered', topic: TOPIC, hubs: [HUB] });
  const grantId = grants[0]?.id ?? '';
  await registryWorld.apply(id, {
    type: 'requested',
    grantId,
    mode: 'subscribe',
    secret: null,
  });
  await registryWorld.apply(id, { type: 'accepted', grantId, hub: HUB, moved: false });
  await registryWorld.apply(id, { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '864000' });
  await registryWorld.apply(id, { type: 'answered', grantId });
  return grantId;
}
