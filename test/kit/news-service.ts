import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as macrotask } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type DeliveryConfig,
  type StartOptions,
  type SubscriberHandlers,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { whenIdle } from '../../src/feed/parse/parse.js';
import { FakeWorld } from './fake-world.js';
import { FaultyStore } from './faulty-store.js';

export const DAY_MS = 86_400_000;

type Handler = SubscriberHandlers['onEventNotification'];

export interface SetUp {
  readonly delivery?: DeliveryConfig;
  readonly options?: StartOptions;
  readonly world?: FakeWorld;
}

/** A hub with one topic, and a service subscribed to it whose events are in a store that can fail. */
export async function setUp(
  onEventNotification: Handler,
  { delivery = {}, options = {}, world = new FakeWorld() }: SetUp = {},
) {
  const hub = await TestHub.start();
  onTestFinished(() => hub.close());
  const topic = hub.topic('/feed');
  const store = new FaultyStore();
  const config = { name: 'news', target: topic.url, secret: 'a shared one', unsubscribeOnShutdown: false, delivery };
  const service = defineSubscriber(config, { onEventNotification });
  const run = async (port: number): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store: store.keyv, port, ...options });
    onTestFinished(() => started.stopNow());
    await started.ready({ timeoutMs: 5_000 });
    await hub.verified(topic);
    await hub.settled();
    return started;
  };
  const runtime = await run(0);
  const startAgain = (): Promise<SubscriberRuntime> => run(runtime.port ?? 0);
  const publish = async (body = 'news') => {
    const [delivery] = await topic.publish(body);
    if (delivery === undefined) throw new Error('nobody is subscribed');
    return delivery;
  };
  return { hub, topic, store, world, service, runtime, startAgain, publish };
}

/** What is under way in this process and needs no time gets done, and what is parsed in threads. */
export async function quiet(): Promise<void> {
  for (;;) {
    for (let turn = 0; turn < 20; turn += 1) await macrotask();
    const parsing = whenIdle();
    if (parsing === undefined) return;
    await parsing;
  }
}

export async function statsOf(runtime: SubscriberRuntime) {
  const [subscription] = await runtime.subscriptions.find();
  return subscription?.stats;
}

/** What each run of a handler saw. */
export class Runs {
  readonly seen: { readonly id: string; readonly attempt: number; readonly at: number; readonly text: string }[] = [];
  readonly events: ContentDistributionMessage[] = [];

  constructor(readonly world: FakeWorld) {}

  note(event: ContentDistributionMessage): void {
    this.events.push(event);
    this.seen.push({ id: event.id, attempt: event.attempt, at: this.world.now, text: event.text() });
  }
}

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'websub-inbox-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function again({
  method,
  url,
  headers,
  body,
}: {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array | undefined;
}) {
  return fetch(url, { method, headers, body: new Uint8Array(body ?? []) });
}

export function throws(value: unknown): never {
  throw value;
}
