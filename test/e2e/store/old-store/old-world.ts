import { createHmac } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  defineSubscriber,
  type ContentDistributionMessage,
  type SubscriberDefinition,
  type StartOptions,
  type SubscriberRuntime,
} from 'websub-subscriber';
import type { TestHub } from 'websub-subscriber/testing';
import { FakeWorld } from '../../../kit/fake-world.js';
import {
  expectedOf,
  oldConfigs,
  portMover,
  type Expected,
  type OldGrant,
  type PortMover,
  type StoreKind,
} from './expected.js';
import { load } from './places.js';

/** The ports of the hubs in the fixture. */
const PORTS = { hub: 18931, denying: 18932 } as const;

/** A runtime of the current code on a store of 0.1.0. */
export interface OldWorld {
  readonly runtime: SubscriberRuntime;
  readonly world: FakeWorld;
  /** The URI of the store. */
  readonly store: string;
  /** Starts the services again, once the runtime has stopped. */
  readonly startAgain: (options: StartOptions) => Promise<SubscriberRuntime>;
  readonly expected: Expected;
  /** The events that handlers got. */
  readonly events: ContentDistributionMessage[];
  /** Sends content like a hub. */
  readonly post: (
    grant: Pick<OldGrant, 'callback'>,
    body: string,
    secret?: string,
    contentType?: string,
  ) => Promise<number>;
  /** Sends a verification like a hub. */
  readonly get: (
    grant: Pick<OldGrant, 'callback'>,
    query: Readonly<Record<string, string>>,
  ) => Promise<{ readonly status: number; readonly text: string }>;
}

export interface OldWorldOptions {
  /** Milliseconds since 0.1.0 stopped. @default 0 */
  readonly later?: number;
  /** The hubs that replace those of the fixture. @default none */
  readonly hubs?: { readonly [Hub in keyof typeof PORTS]?: TestHub };
  /** Options of the start. */
  readonly options?: StartOptions;
}

/** Starts the services of the fixture with the current code. */
export async function openOld(
  kind: StoreKind,
  { later = 0, hubs = {}, options = {} }: OldWorldOptions = {},
): Promise<OldWorld> {
  const { hub, denying } = hubs;
  const movePorts = portMover([
    [PORTS.hub, hub?.port],
    [PORTS.denying, denying?.port],
  ]);
  const expected = expectedOf(kind, movePorts);
  const store = await load[kind](movePorts);
  const world = new FakeWorld(expected.now + later);
  const events: ContentDistributionMessage[] = [];
  const start = async (startOptions: StartOptions): Promise<SubscriberRuntime> => {
    const started = await world.start(services(events, movePorts), {
      store,
      publicUrl: 'http://127.0.0.1:18930',
      ...startOptions,
    });
    onTestFinished(() => started.stopNow());
    return started;
  };
  const runtime = await start(options);
  const currentUrl = (callback: string): string => `http://127.0.0.1:${runtime.port}${new URL(callback).pathname}`;
  return {
    runtime,
    world,
    store,
    startAgain: start,
    expected,
    events,
    async post({ callback }, body, secret, contentType = 'text/plain; charset=utf-8') {
      const headers = new Headers({ 'content-type': contentType });
      if (secret !== undefined) headers.set('x-hub-signature', `sha256=${hmac(secret, body)}`);
      return (await fetch(currentUrl(callback), { method: 'POST', headers, body })).status;
    },
    async get({ callback }, query) {
      const answer = await fetch(`${currentUrl(callback)}?${new URLSearchParams(query).toString()}`);
      return { status: answer.status, text: await answer.text() };
    },
  };
}

function services(events: ContentDistributionMessage[], movePorts: PortMover): readonly SubscriberDefinition[] {
  return oldConfigs(movePorts).map((config) =>
    defineSubscriber(
      { unsubscribeOnShutdown: false, ...config },
      { onEventNotification: (event) => void events.push(event) },
    ),
  );
}

function hmac(secret: string, body: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}
