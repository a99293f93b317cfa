import { createHmac } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type StartOptions,
  type SubscriberHandlers,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
  type Subscription,
} from '../../src/index.js';
import { embeddedEngine } from '../../src/engine/embedded-engine.js';
import { start, type Seams } from '../../src/runtime/lifecycle/start-service.js';
import type { HubTopic, TestHub, TestHubOptions } from '../../src/testing/index.js';
import { recordingLogger, type RecordingLogger } from './recording-logger.js';
import { startHub } from './start-hub.js';
import { exchange, request, type WireAnswer } from './wire.js';
import { onlySubscription } from './only-subscription.js';

export const SECRET = 'a long one that nobody guesses';

/** A runtime with one subscription, and a client that sends raw requests to its callback as a hub would. */
export interface Subscribed {
  readonly runtime: SubscriberRuntime;
  readonly hub: TestHub;
  readonly topic: HubTopic;
  readonly port: number;
  /** The path of the callback. */
  readonly path: string;
  readonly callback: string;
  /** The events that the handler got. */
  readonly events: ContentDistributionMessage[];
  readonly logger: RecordingLogger;
  readonly snapshot: () => Promise<Subscription>;
  /** Sends a hub's GET with these parameters. */
  readonly sendGet: (parameters: Readonly<Record<string, string>>) => Promise<WireAnswer>;
  /** Sends a hub's POST. It is signed with the secret unless the headers have another signature. */
  readonly post: (body: string | Uint8Array, headers?: Readonly<Record<string, string>>) => Promise<WireAnswer>;
}

export interface SubscribedOptions {
  readonly config?: SubscriberServiceConfig;
  readonly handlers?: Partial<SubscriberHandlers>;
  readonly options?: StartOptions;
  readonly hub?: TestHubOptions;
  readonly seams?: Partial<Seams>;
  /** The port of the callback, if a server other than the runtime's own listens. @default the runtime's port */
  readonly port?: number;
  /** The path of the topic at the hub. @default '/feed' */
  readonly topic?: string;
  /** Resolves without waiting for the verification. @default false */
  readonly unverified?: boolean;
}

/**
 * Starts a hub and a service that is subscribed to it. Everything runs on the real clock unless the seams have another.
 *
 * `startSubscriber()` is for tests of the event handling: it has a manual clock and a store that can fail.
 */
export async function subscribed(setup: SubscribedOptions = {}): Promise<Subscribed> {
  const hub = await startHub(setup.hub);
  const topic = hub.topic(setup.topic ?? '/feed', { body: 'what there is' });
  const events: ContentDistributionMessage[] = [];
  const logger = recordingLogger();
  const service = defineSubscriber(
    { name: 'News', target: { hub: hub.url, topic: topic.url }, secret: SECRET, ...setup.config },
    { onEventNotification: (event) => void events.push(event), ...setup.handlers },
  );
  const options: StartOptions = { port: 0, store: 'memory', logger, handleSignals: false, ...setup.options };
  const seams: Seams = { now: Date.now, random: Math.random, engine: embeddedEngine, env: {}, ...setup.seams };
  const runtime = await start(service, options, seams);
  onTestFinished(() => runtime.stopNow());
  const { callback } = await hub.until(
    () => (setup.unverified === true ? hub.subscriptions[0] : activeSubscription(hub)),
    { what: 'the subscription' },
  );
  const port = setup.port ?? runtime.port ?? 0;
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
    snapshot: () => onlySubscription(runtime),
    sendGet: (parameters) => exchange(port, request('GET', `${path}?${new URLSearchParams(parameters).toString()}`)),
    post: (body, headers = {}) => exchange(port, signedPost(path, body, headers)),
  };
}

function activeSubscription(hub: TestHub): { readonly callback: string } | undefined {
  return hub.subscriptions.find(({ state }) => state === 'active');
}

/** The bytes of a hub's POST. */
export function signedPost(
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  return request('POST', path, { 'X-Hub-Signature': signatureOf(body), ...headers }, body);
}

/** The value of `X-Hub-Signature`. */
export function signatureOf(body: string | Uint8Array, method = 'sha256', secret = SECRET): string {
  return `${method}=${createHmac(method, secret).update(body).digest('hex')}`;
}

/** The parameters of a verification, with some changes. */
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
