import { randomBytes } from 'node:crypto';
import { embeddedEngine, type EmbeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { Logger } from '../../../src/logger.js';
import { openStore } from '../../../src/store/open-store.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import type { Effect } from '../../../src/subscription/machine/events.js';
import { newSubscription, type SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { Registry } from '../../../src/subscription/registry/registry.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { RULES, START, TOPIC } from '../machine/life.js';

/** What a service says where it says nothing. */
export const TERMS: RequestPolicy = {
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

/** A line of the log: its level, its fields and its message. */
export interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

export function recordingLogger(lines: Line[]): Logger {
  const line =
    (level: string) =>
    (fields: object | string, message = ''): void =>
      void lines.push(typeof fields === 'string' ? { level, fields: {}, message: fields } : { level, fields, message });
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), fatal: line('fatal') };
}

/** A registry over a store in memory, whose writes can be made to fail. */
export interface World {
  readonly registry: Registry;
  readonly engine: EmbeddedEngine;
  readonly store: RecordStore;
  readonly lines: Line[];
  /** What was asked for, in order, and what the store held of it by then. */
  readonly performed: { readonly effect: Effect; readonly stored: Promise<unknown> }[];
  now: number;
  isFailing: boolean;
  terms: RequestPolicy | undefined;
  /** Called instead of noting an effect. */
  perform: ((record: SubscriptionRecord, effect: Effect) => void) | undefined;
}

export async function world(store?: RecordStore): Promise<World> {
  const lines: Line[] = [];
  const logger = recordingLogger(lines);
  const kept = store ?? (await openStore('memory'));
  const flaky: RecordStore = {
    ...kept,
    set: async (...record) => {
      if (here.isFailing) throw new Error('the store is down');
      await kept.set(...record);
    },
  };
  const engine = embeddedEngine({ now: () => here.now });
  const here: World = {
    engine,
    store: kept,
    lines,
    performed: [],
    now: START,
    isFailing: false,
    terms: TERMS,
    perform: undefined,
    registry: new Registry({
      store: flaky,
      engine,
      logger,
      now: () => here.now,
      random: () => 0.5,
      requestPolicyOf: () => here.terms,
      perform: (record, effect) => {
        if (here.perform !== undefined) here.perform(record, effect);
        else here.performed.push({ effect, stored: kept.get('subscription', record.id) });
      },
    }),
  };
  return here;
}

export const subscription = (id: string, target: SubscriptionTarget = TOPIC): SubscriptionRecord =>
  newSubscription({ id, service: 'News', target, declared: true, createdAt: START, overrides: undefined });
