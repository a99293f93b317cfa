import { createHmac } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type StartOptions,
  type Subscription,
} from '../../src/index.js';
import type { SubscriberHandlers, SubscriberRuntime, SubscriberServiceConfig } from '../../src/index.js';
import { embeddedEngine } from '../../src/engine/embedded-engine.js';
import { start, type Seams } from '../../src/runtime/lifecycle/start-service.js';
import { TestHub, type HubTopic, type TestHubOptions } from '../../src/testing/index.js';
import { recordingLogger, type RecordingLogger } from './recording-logger.js';
import { exchange, request, type WireAnswer } from './wire.js';

export const SECRET = 'a long one that nobody guesses';

/** A runtime with one subscription that its hub has verified. */
export interface Subscribed {
  readonly runtime: SubscriberRuntime;
  readonly hub: TestHub;
  readonly topic: HubTopic;
  readonly port: number;
  /** The callback's path. */
  readonly path: string;
  readonly callback: string;
  /** What the handler got. */
  readonly events: ContentDistributionMessage[];
  readonly logger: RecordingLogger;
  readonly snapshot: () => Promise<Subscription>;
  /** A hub's GET, with these parameters. */
  readonly ask: (parameters: Readonly<Record<string, string>>) => Promise<WireAnswer>;
  /** A hub's POST, signed with the secret unless the headers say otherwise. */
  readonly post: (body: string | Uint8Array, headers?: Readonly<Record<string, string>>) => Promise<WireAnswer>;
}

export interface SubscribedOptions {
  readonly config?: SubscriberServiceConfig;
  readonly handlers?: Partial<SubscriberHandlers>;
  readonly options?: StartOptions;
  readonly hub?: TestHubOptions;
  readonly seams?: Partial<Seams>;
  /** What listens, where the runtime does not. */
  readonly port?: number;
  /** The topic's path at the hub. */
  readonly topic?: string;
  /** Do not wait for the verification. @default false */
  readonly unverified?: boolean;
}

export async function subscribed(given: SubscribedOptions = {}): Promise<Subscribed> {
  const hub = await TestHub.start(given.hub);
  onTestFinished(() => hub.close());
  const topic = hub.topic(given.topic ?? '/feed', { body: 'what there is' });
  const events: ContentDistributionMessage[] = [];
  const logger = recordingLogger();
  const service = defineSubscriber(
    { name: 'News', target: { hub: hub.url, topic: topic.url }, secret: SECRET, ...given.config },
    { onEventNotification: (event) => void events.push(event), ...given.handlers },
  );
  const options: StartOptions = { port: 0, store: 'memory', logger, handleSignals: false, ...given.options };
  const seams: Seams = { now: Date.now, random: Math.random, engine: embeddedEngine, env: {}, ...given.seams };
  const runtime = await start(service, options, seams);
  onTestFinished(() => runtime.stopNow());
  const { callback } = await hub.until(() => (given.unverified === true ? hub.subscriptions[0] : active(hub)), {
    what: 'the subscription',
  });
  const port = given.port ?? runtime.port ?? 0;
  const path = new URL(callback).pathname;
  return {
    runtime,
    hub,
    topic,
    port,
    path,
    callback,
    events,
    logger,
    async snapshot() {
      const [only] = await runtime.subscriptions.find();
      if (only === undefined) throw new Error('there is no subscription');
      return only;
    },
    ask: (parameters) => exchange(port, request('GET', `${path}?${new URLSearchParams(parameters).toString()}`)),
    post: (body, headers = {}) => exchange(port, signedPost(path, body, headers)),
  };
}

function active(hub: TestHub): { readonly callback: string } | undefined {
  return hub.subscriptions.find(({ state }) => state === 'active');
}

/** Content as a hub sends it. */
export function signedPost(
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  return request('POST', path, { 'X-Hub-Signature': signatureOf(body), ...headers }, body);
}

/** What stands in `X-Hub-Signature`. */
export function signatureOf(body: string | Uint8Array, method = 'sha256', secret = SECRET): string {
  return `${method}=${createHmac(method, secret).update(body).digest('hex')}`;
}

/** The parameters of a verification, some of them changed. */
export function verification(topic: string, changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    'hub.mode': 'subscribe',
    'hub.topic': topic,
    'hub.challenge': 'c9+/=',
    'hub.lease_seconds': '3600',
    ...changes,
  };
}

/** The fields of a form-encoded answer. */
export function fieldsOf({ headers, body }: WireAnswer): Record<string, string> {
  if (headers['content-type'] !== 'application/x-www-form-urlencoded')
    throw new Error(`not a form: ${headers['content-type']}`);
  return Object.fromEntries(new URLSearchParams(body));
}
