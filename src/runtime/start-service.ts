import { setImmediate as macrotask } from 'node:timers/promises';
import { embeddedEngine, type EmbeddedEngineOptions } from '../engine/embedded.js';
import type { Engine } from '../engine/engine.js';
import type { HookPayload } from '../delivery/hooks.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../errors.js';
import { attach } from '../http/attach.js';
import { listen, type Listener } from '../http/listener.js';
import { acquireOwner } from '../store/owner-lock.js';
import { openStore } from '../store/open-store.js';
import { checkOptions, type CheckedOptions } from './check-options.js';
import { refuseSharedPaths } from './callback-paths.js';
import { resolveServices } from './container.js';
import { Core, type RunningService } from './core.js';
import { loggerFrom } from './default-logger.js';
import { definitionsOf, type ServiceDefinition, type ServiceReference } from './definition.js';
import { portOf, publicAddress } from './public-address.js';
import { Runtime } from './runtime.js';
import { handleSignals } from './signals.js';
import type { StartOptions } from './start-options.js';
import type { SubscriberRuntime } from './subscriber-runtime.js';

/** Milliseconds that `startService` waits for first requests to leave; those that take longer go on by themselves. */
const FIRST_REQUESTS_MS = 5_000;

/** Milliseconds for whoever mounts the callbacks by hand to do so, before a hub is told of them. */
const MOUNTING_MS = 100;

/** What tests put in the place of the world. */
export interface Seams {
  readonly now: () => number;
  readonly random: () => number;
  readonly engine: (options: EmbeddedEngineOptions) => Engine;
  readonly env: NodeJS.ProcessEnv;
}

const WORLD: Seams = { now: Date.now, random: Math.random, engine: embeddedEngine, env: process.env };

/**
 * Starts services: listens for callbacks, subscribes what they declare, and keeps it subscribed.
 *
 * @example
 * ```ts
 * const runtime = await startService(News, { port: 9090, publicUrl: 'https://me.example.com' });
 * ```
 *
 * @returns when callbacks are answered and every first request has left or is scheduled
 * @throws ConfigurationError for services or options that are wrong
 * @throws StoreError when the store cannot be opened, or another process owns it
 * @throws ListenerError when the port cannot be listened on, or the tunnel not opened
 * @throws ResourceDiscoveryFailedError and SubscriptionInitiationError, with `failFast`
 */
export async function startService(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions = {},
): Promise<SubscriberRuntime> {
  return start(services, options, WORLD);
}

/** {@link startService} in a world of the caller's. */
export async function start(
  services: ServiceReference | readonly ServiceReference[],
  options: StartOptions,
  { now, random, engine: makeEngine, env }: Seams,
): Promise<SubscriberRuntime> {
  const definitions = definitionsOf(services);
  const checked = checkOptions(options, env);
  const logger = loggerFrom(checked.logger, env['LOG_LEVEL']);
  const opened: (() => unknown)[] = [];
  try {
    const store = await openStore(checked.store, { logger });
    opened.push(() => store.close());
    let lost: (error: Error) => void = (error) => logger.fatal({ err: error }, 'the store was taken over');
    const owner = await acquireOwner(store, { now, onLost: (error) => lost(error) });
    opened.push(() => owner.release());
    logger.info({ store: store.location, durable: store.durable }, 'state is kept here');

    const engine = makeEngine({ now });
    const core = new Core({ store, engine, logger, now, random, security: checked.security, basePath: checked.basePath });
    const listener = await listenFor(core, checked, opened);
    const port = listener?.port ?? (checked.server === undefined ? undefined : portOf(checked.server));
    const address = await publicAddress(checked, port, logger);
    const { tunnel } = address;
    if (tunnel !== undefined) opened.push(() => tunnel.close());
    const base = address.url + checked.basePath;

    const runtime = new Runtime({ core, engine, logger, url: base, port, graceSeconds: checked.gracefulShutdownSeconds });
    const running = instantiate(definitions, checked, runtime, logger);
    refuseSharedPaths(running.map(({ config }) => config), base);
    await core.load(running, base);
    for (const { handlers } of running) await handlers.onStart?.(runtime);

    runtime.began({ listener, opened });
    lost = (error) => {
      logger.fatal({ err: error }, 'another process has taken the store over: stopping');
      void runtime.stopNow();
    };
    if (checked.handleSignals ?? listener !== undefined) runtime.onEnd(handleSignals(() => runtime.stop()));
    await subscribeAll(core, engine, runtime, checked);
    return runtime;
  } catch (error) {
    for (const close of opened.reverse()) await Promise.resolve(close()).catch(() => {});
    throw error;
  }
}

async function listenFor(
  core: Core,
  { manual, server, port, host, tls }: CheckedOptions,
  opened: (() => unknown)[],
): Promise<Listener | undefined> {
  if (manual) return undefined;
  if (server !== undefined) {
    opened.push(attach(server, core.app));
    return undefined;
  }
  const listener = await listen(core.app.nodeHandler, { port, host, tls });
  opened.push(() => listener.close({ force: true }));
  return listener;
}

function instantiate(
  definitions: readonly ServiceDefinition[],
  { container }: CheckedOptions,
  runtime: SubscriberRuntime,
  logger: Parameters<typeof resolveServices>[2]['logger'],
): readonly RunningService[] {
  const instances = resolveServices(definitions, container, { logger, runtime });
  return definitions.flatMap(({ name, config }) => {
    const handlers = instances.get(name);
    return handlers === undefined ? [] : [{ config, handlers }];
  });
}

async function subscribeAll(core: Core, engine: Engine, runtime: Runtime, options: CheckedOptions): Promise<void> {
  const begin = async (): Promise<void> => {
    await core.reconcile();
    engine.start();
  };
  const { server, manual, failFast } = options;
  if (manual || (server !== undefined && !server.listening)) {
    // A hub that verifies at once would find nobody: it is told of the callbacks when they are answered.
    const soon = (): void => void begin().catch((error: unknown) => runtime.failed(error));
    if (server === undefined) {
      const timer = setTimeout(soon, MOUNTING_MS);
      runtime.onEnd(() => clearTimeout(timer));
    } else {
      server.once('listening', soon);
      runtime.onEnd(() => server.off('listening', soon));
    }
    return;
  }
  let first: Error | undefined;
  const off = core.hooks.on('failed', ({ error }: HookPayload) => {
    if (error instanceof SubscriptionInitiationError || error instanceof ResourceDiscoveryFailedError) first ??= error;
  });
  try {
    await begin();
    await (failFast ? core.idle() : settledWithin(core.idle(), FIRST_REQUESTS_MS));
    // Listeners of hooks are called in turn: the last of them now.
    await macrotask();
  } finally {
    off();
  }
  if (failFast && first !== undefined) {
    await runtime.stop();
    throw first;
  }
}

async function settledWithin(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([work, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
